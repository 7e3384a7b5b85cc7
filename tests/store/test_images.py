"""Names of images: index.json is the truth."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from minibuild.errors import ImageError
from minibuild.oci import Reference
from minibuild.store import Store
from tests.machine import require
from tests.store.conftest import stored_image

ONE, TWO = Reference.parse("app:1"), Reference.parse("localhost:5000/team/app:2")


def names(store: Store) -> list[str]:
    return [str(reference) for reference, _ in store.images.list()]


def test_an_image_is_found_by_each_of_its_names(store: Store) -> None:
    image = stored_image(store, "a")
    store.images.tag(ONE, image)
    store.images.tag(TWO, image)
    assert store.images.find(ONE) == store.images.find(TWO) == image
    assert store.images.names(image) == (ONE, TWO)
    assert store.images.list() == ((ONE, image), (TWO, image))


def test_an_image_is_read_once_while_its_documents_are_there(store: Store) -> None:
    image = stored_image(store, "a")
    assert store.images.load(image.digest) is store.images.load(image.digest)
    store.blobs.remove(image.id)
    with pytest.raises(ImageError):
        store.images.load(image.digest)


def test_an_unknown_name_finds_nothing(store: Store) -> None:
    store.images.tag(ONE, stored_image(store, "a"))
    assert store.images.find(ONE.with_tag("2")) is None


def test_a_name_that_moves_leaves_the_old_image_without_one(store: Store) -> None:
    old, new = stored_image(store, "old"), stored_image(store, "new")
    store.images.tag(ONE, old)
    store.images.tag(ONE, new)
    assert store.images.list() == ((None, old), (ONE, new))


def test_a_name_that_moves_off_an_image_of_two_names_leaves_it_the_other(store: Store) -> None:
    old, new = stored_image(store, "old"), stored_image(store, "new")
    store.images.tag(ONE, old)
    store.images.tag(TWO, old)
    store.images.tag(ONE, new)
    assert store.images.list() == ((TWO, old), (ONE, new))


def test_a_nameless_result_is_listed_once_and_gets_its_name_later(store: Store) -> None:
    image = stored_image(store, "a")
    store.images.keep(image)
    store.images.keep(image)
    assert store.images.list() == ((None, image),)
    store.images.tag(ONE, image)
    assert store.images.list() == ((ONE, image),)


def test_a_result_is_kept_under_all_its_names(store: Store) -> None:
    image = stored_image(store, "a")
    store.images.keep(image, (ONE, TWO))
    assert store.images.list() == ((ONE, image), (TWO, image))


def test_tagging_again_does_not_write_the_index_again(store: Store) -> None:
    image = stored_image(store, "a")
    store.images.tag(ONE, image)
    before = (store.root / "index.json").stat().st_ino
    store.images.tag(ONE, image)
    assert (store.root / "index.json").stat().st_ino == before


def test_untag_takes_a_name_away_and_remove_all_of_them(store: Store) -> None:
    image = stored_image(store, "a")
    store.images.tag(ONE, image)
    store.images.tag(TWO, image)
    store.images.untag(ONE)
    assert store.images.list() == ((TWO, image),)
    store.images.remove(image)
    assert store.images.list() == ()


def test_a_pinned_reference_finds_the_image_of_that_digest_in_its_repository_only(store: Store) -> None:
    image = stored_image(store, "a")
    store.images.tag(ONE, image)
    assert store.images.find(ONE.with_digest(image.digest)) == image
    assert store.images.find(TWO.with_digest(image.digest)) is None


def test_an_image_pulled_by_the_digest_of_its_index_is_found_by_it(store: Store) -> None:
    image = stored_image(store, "a")
    pinned = ONE.with_digest("sha256:" + "1" * 64)
    store.images.tag(pinned, image)
    assert store.images.find(pinned) == image


def test_an_id_or_a_digest_may_be_shortened(store: Store) -> None:
    image = stored_image(store, "a")
    store.images.tag(ONE, image)
    store.images.tag(TWO, image)
    for prefix in (image.id, image.id.short, image.id.hex[:6], image.digest.hex):
        assert store.images.by_id(prefix) == image
    assert store.images.by_id("app") is None
    assert store.images.by_id("") is None


def test_an_id_that_fits_several_images_is_refused(store: Store) -> None:
    for number in range(17):
        store.images.keep(stored_image(store, str(number)))
    firsts = [image.id.hex[0] for _, image in store.images.list()]
    twice = next(digit for digit in firsts if firsts.count(digit) > 1)
    with pytest.raises(ImageError, match="begins the IDs of"):
        store.images.by_id(twice)


def test_an_image_whose_manifest_vanished_is_a_miss(store: Store) -> None:
    image = stored_image(store, "a")
    store.images.tag(ONE, image)
    store.blobs.remove(image.digest)
    assert store.images.find(ONE) is None
    assert store.images.list() == ()


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"manifests": 3}', b'{"manifests": [{"digest": "../x"}]}', b"[" * 99999]
)
def test_a_damaged_index_is_one_clear_error_with_the_remedy(store: Store, damage: bytes) -> None:
    (store.root / "index.json").write_bytes(damage)
    with pytest.raises(ImageError, match=r"index\.json is no index of an image layout") as raised:
        store.images.list()
    assert "move it away" in raised.value.hint


def test_a_missing_index_is_an_empty_one(store: Store) -> None:
    (store.root / "index.json").unlink()
    assert store.images.list() == ()
    image = stored_image(store, "a")
    store.images.tag(ONE, image)
    assert store.images.find(ONE) == image


def test_keys_that_another_tool_wrote_survive(store: Store) -> None:
    image = stored_image(store, "a")
    path = store.root / "index.json"
    foreign = {"mediaType": "application/x", "digest": "sha256:" + "2" * 64, "size": 3, "artifactType": "text/x"}
    path.write_text(json.dumps({"schemaVersion": 2, "manifests": [foreign]}))
    store.images.tag(ONE, image)
    assert foreign in json.loads(path.read_text())["manifests"]
    assert names(store) == [str(ONE)]


@pytest.mark.e2e
def test_skopeo_finds_an_image_by_its_full_reference(store: Store) -> None:
    require("skopeo")
    image = stored_image(store, "someone")
    for reference in (ONE, TWO):
        store.images.tag(reference, image)
        location = f"oci:{store.root}:{reference}"
        done = subprocess.run(["skopeo", "inspect", "--config", location], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["config"]["User"] == "someone"


@pytest.mark.e2e
def test_an_image_that_skopeo_copies_into_the_store_is_listed(store: Store, tmp_path: Path) -> None:
    require("skopeo")
    image = stored_image(store, "a")
    store.images.tag(ONE, image)
    with Store.at(tmp_path / "other") as other:
        source, target = f"oci:{store.root}:{ONE}", f"oci:{other.root}:{TWO}"
        subprocess.run(["skopeo", "copy", "--quiet", source, target], check=True)
        assert other.images.find(TWO) == image

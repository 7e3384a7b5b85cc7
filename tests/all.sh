#!/bin/sh
# Passes every test: installs the Debian packages they need (as root on Debian; else it says what will be skipped),
# then runs tox, or what it is given: "sh tests/all.sh -e lint".
set -eu
cd "$(dirname "$(realpath "$0")")/.."

# program: the Debian package that has it
needs='
git:git
crun:crun
runc:runc
bwrap:bubblewrap
dockerd:docker.io
docker:docker.io
docker-registry:docker-registry
buildah:buildah
podman:podman
proot:proot
skopeo:skopeo
umoci:umoci
bash-static:bash-static
mmdebstrap:mmdebstrap
openssl:openssl
newuidmap:uidmap
useradd:passwd
ssh-agent:openssh-client
qemu-aarch64-static:qemu-user-static
mkfs.btrfs:btrfs-progs
mkfs.xfs:xfsprogs
mkfs.ext4:e2fsprogs
linux.uml:user-mode-linux
fuse-overlayfs:fuse-overlayfs
setcap:libcap2-bin
setpriv:util-linux
slirp4netns:slirp4netns
pasta:passt
ip:iproute2
strace:strace
bzip2:bzip2
dot:graphviz
xz:xz-utils
zstd:zstd
npm:npm
rpm:rpm
db5.3_load:db5.3-util
'
has() { PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

missing='' packages=''
for need in $needs; do
    has "${need%%:*}" && continue
    missing="$missing ${need%%:*}"
    packages="$packages ${need#*:}"
done
python3 -c 'import ensurepip, venv' 2>/dev/null || packages="$packages python3-venv"
if is_root && has apt-get; then
    # A machine without package lists has nothing to install from, nor to make base images of.
    if [ -n "$packages" ] || ! apt-cache show busybox-static >/dev/null 2>&1; then apt-get -qq update; fi
    # shellcheck disable=SC2086  # words are meant
    [ -z "$packages" ] ||
        DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends $packages >/dev/null
else
    [ -z "$missing" ] || echo "tests that need these programs will be skipped:$missing"
    [ -z "$packages" ] || echo "on Debian: sudo apt-get install$packages"
    is_root || echo 'tests that need root, such as those with a docker daemon of their own, will be skipped'
fi

# tox takes the interpreters that it finds on PATH; pyenv keeps its own elsewhere.
if has pyenv; then
    for version in $(pyenv versions --bare | grep -E '^3\.1[1-3]\.[0-9]+$'); do
        PATH=$PATH:$(pyenv prefix "$version")/bin
    done
    export PATH
fi

[ -x .tox/tox/bin/tox ] || { python3 -m venv .tox/tox && .tox/tox/bin/pip install --quiet 'tox>=4.24'; }
exec .tox/tox/bin/tox run "$@"

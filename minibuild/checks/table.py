"""The rules that a build tells of: BuildKit's, and ours."""

from __future__ import annotations

from minibuild.checks import context, descriptions, mistakes, platforms, stages, style, variables
from minibuild.checks.subject import Check, found_on_the_way

# BuildKit's in alphabetical order, then ours.
CHECKS = (
    Check("ConsistentInstructionCasing", "all keywords in upper case, or all in lower case", style.inconsistent_casing),
    Check("CopyIgnoredFile", "COPY and ADD name nothing that the ignore file leaves out", context.ignored_sources),
    Check("DuplicateStageName", "a stage has a name of its own", stages.duplicate_names),
    Check("ExposeInvalidFormat", "EXPOSE says a port, no host address and no mapping", found_on_the_way),
    Check("ExposeProtoCasing", "EXPOSE says its protocol in lower case", style.casing_of_protocols),
    Check("FromAsCasing", "AS is in the case of FROM", stages.casing_of_as),
    Check("FromPlatformFlagConstDisallowed", "FROM --platform has a variable in it", platforms.constant_platforms),
    Check("InvalidBaseImagePlatform", "the base image is for the platform asked for", platforms.other_platforms),
    Check("InvalidDefaultArgInFrom", "the defaults of ARG give FROM an image's name", variables.invalid_defaults),
    Check(
        "InvalidDefinitionDescription",
        "a comment above FROM or ARG starts with the name that it describes",
        descriptions.misplaced_comments,
        "experimental",
    ),
    Check("JSONArgsRecommended", "CMD and ENTRYPOINT are in exec form", style.shell_forms),
    Check("LegacyKeyValueFormat", "ENV and LABEL are written name=value", found_on_the_way),
    Check("MaintainerDeprecated", "LABEL says the author, not MAINTAINER", found_on_the_way),
    Check(
        "MultipleInstructionsDisallowed",
        "a stage has one CMD, one ENTRYPOINT, one HEALTHCHECK",
        stages.repeated_instructions,
    ),
    Check("NoEmptyContinuation", "no empty line stands inside an instruction", found_on_the_way),
    Check("RedundantTargetPlatform", "FROM --platform isn't what it would be anyway", platforms.redundant_platforms),
    Check("ReservedStageName", "no stage is called scratch or context", stages.reserved_names),
    Check("SecretsUsedInArgOrEnv", "ARG and ENV hold no secrets", variables.secret_names),
    Check("StageNameCasing", "names of stages are in lower case", stages.casing_of_names),
    Check("UndefinedArgInFrom", "FROM uses ARGs that stand above it", found_on_the_way),
    Check("UndefinedVar", "variables are defined where they are used", found_on_the_way),
    Check("WorkdirRelativePath", "a relative WORKDIR comes after an absolute one", found_on_the_way),
    Check("CacheUnavailable", "caches that are named can be read, and give what they promise", found_on_the_way, "own"),
    Check("CommentInInstruction", "a comment has a line of its own", mistakes.comments_inside, "own"),
    Check("EmptyUser", "USER names somebody", mistakes.empty_users, "own"),
    Check("IdleFlag", "a flag is about something that is there", mistakes.idle_flags, "own"),
    Check("InvalidJSONForm", "what looks like the exec form is JSON", found_on_the_way, "own"),
    Check("MisplacedDirective", "an escape directive is at the top of the file", mistakes.late_directives, "own"),
    Check("MisplacedFlag", "flags stand before everything else", mistakes.misplaced_flags, "own"),
    Check("NearStageName", "an image isn't called nearly like a stage", found_on_the_way, "own"),
    Check("NoMatch", "a wildcard of COPY matches something", found_on_the_way, "own"),
    Check("NotIsolated", "a RUN is kept apart from the machine that it runs on", found_on_the_way, "own"),
    Check("NotUtf8", "the file is UTF-8", mistakes.other_encodings, "own"),
    Check("OwnersLost", "files belong to whom a RUN gives them", found_on_the_way, "own"),
    Check("PackagesUnread", "an SBOM has all packages of the image", found_on_the_way, "own"),
    Check("SecretInHistory", "no secret that a build is given stands in the image's history", found_on_the_way, "own"),
    Check("SecretInLayer", "no RUN leaves a secret that it was given in its layer", found_on_the_way, "own"),
    Check("SpecialFileInContext", "what is copied has no sockets, pipes, devices", found_on_the_way, "own"),
    Check("SwallowedInstruction", "no instruction is a part of another", mistakes.swallowed_instructions, "own"),
    Check("UnknownSyntax", "the syntax directive names docker/dockerfile", found_on_the_way, "own"),
    Check("UnusedBuildArg", "an ARG takes each --build-arg", found_on_the_way, "own"),
    Check("WriteNotKept", "no RUN writes to files that are never part of an image", found_on_the_way, "own"),
)

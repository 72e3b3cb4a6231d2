#!/bin/sh
# fetch-kernel.sh DIR: leaves Debian's Linux 6.12 in DIR/kernel, as `dpkg-deb -x` unpacks it.
#
# Why 6.12: it is the first Debian kernel with udmabuf and the dma-heap built in, and still young
# enough to be in the archive of two releases. apt does the work, because it knows the mirror and
# the proxies of this machine and checks signatures; but it is given a state of its own, in
# DIR/apt, so that nothing about this machine's packages changes.
set -eu

dir=${1:?usage: fetch-kernel.sh DIR}
say() { printf '%s\n' "kernel: $*" >&2; }
die() { say "$@"; exit 1; }

[ ! -e "$dir/kernel/complete" ] || exit 0
for program in apt-get apt-cache dpkg-deb; do
    command -v "$program" >/dev/null 2>&1 ||
        die "$program is not here; the guest's kernel is a Debian package, which only apt can fetch and check."
done

mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
dir=$(cd "$dir" && pwd)
apt=$dir/apt
: >"$apt/status"

# The machine's own mirror, where it has one for Debian; a derivative's mirror has other kernels.
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 ~ /^(bookworm|trixie|stable)$/ && $3 == "main" { print $1; exit }')
: "${mirror:=http://deb.debian.org/debian/}"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
options=''
[ ! -r "$keyring" ] || options="[signed-by=$keyring]"

# `#clear`: hooks of the machine's own configuration, which tidy up its own caches.
cat >"$apt/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
APT::Architecture "amd64";
APT::Architectures { "amd64"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
CONF

# Until trixie's keys are on a machine, only the backports can be checked; when bookworm has left
# the mirrors, only trixie is there.
package=''
for suite in bookworm-backports trixie; do
    printf 'deb %s %s %s main\n' "$options" "$mirror" "$suite" >"$apt/sources.list"
    say "looking for Linux 6.12 in $suite at $mirror"
    apt-get -c "$apt/apt.conf" -q -q update -o APT::Update::Error-Mode=any >"$apt/log" 2>&1 || continue
    package=$(apt-cache -c "$apt/apt.conf" show --no-all-versions linux-image-amd64 2>>"$apt/log" |
        sed -n 's/^Depends:.*\(linux-image-6\.12\.[^ ,]*\).*/\1/p' | head -n 1)
    [ -z "$package" ] || break
done
if [ -z "$package" ]; then
    cat "$apt/log" >&2
    die "there is no Linux 6.12 to be had from $mirror (is there a network?)."
fi

say "fetching $package"
rm -rf "$dir/kernel" "$apt"/*.deb
(cd "$apt" && apt-get -c apt.conf -q -q download "$package") >"$apt/log" 2>&1 ||
    { cat "$apt/log" >&2; die "could not fetch $package from $mirror."; }
dpkg-deb -x "$apt"/*.deb "$dir/kernel"
rm -f "$apt"/*.deb
: >"$dir/kernel/complete"

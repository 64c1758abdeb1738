# Sourced by the findings that run a program of Debian's. Nothing is installed on the machine: pinned packages are
# unpacked in a temporary folder, which is removed at the end.

set -euo pipefail
LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
WORK=$(mktemp -d)
chmod 755 "$WORK"
trap 'rm -rf "$WORK"' EXIT

# debian NAME=VERSION ...: unpacks these packages into $WORK/root.
debian() {
  local package
  for package in "$@"; do
    (cd "$WORK" && apt-get download -qq -o APT::Sandbox::User=root "$package" >/dev/null) || {
      echo "cannot download $package (run apt-get update first; the version may have left Debian 12)" >&2
      exit 2
    }
  done
  for package in "$WORK"/*.deb; do dpkg-deb -x "$package" "$WORK/root"; done
  export LD_LIBRARY_PATH="$WORK/root/usr/lib/x86_64-linux-gnu${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  export PATH="$WORK/root/usr/sbin:$WORK/root/usr/bin:$PATH"
  export WORK LIB PYTHONPATH="$LIB"
}

# haproxy26: HAProxy as Debian 12 has it.
haproxy26() {
  debian haproxy=2.6.12-1+deb12u4 liblua5.3-0=5.3.6-2 libopentracing-c-wrapper0=1.1.3-3+b1 libopentracing1=1.6.0-4
}

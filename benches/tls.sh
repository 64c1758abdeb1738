#!/usr/bin/env bash
# What a provider of TLS costs: rustls alone, with ring and with aws-lc-rs, in the versions of Cargo.lock (aws-lc-rs in the
# newest one) and with the release profile's settings. Each is built from nothing in a temporary directory.
#
#   nice -n 19 benches/tls.sh
#
# For a target whose Rust standard library is not installed, `cargo check` cannot compile Rust code. What differs between
# the providers is their C and assembly code, and cargo runs the build scripts that compile it all the same.
# C compilers: Debian's musl-tools and gcc-aarch64-linux-gnu; for arm64 with musl anything called
# aarch64-linux-musl-gcc, as a script that calls PyPI's ziglang: zig cc -target aarch64-linux-musl, without cc's own --target.
set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TERM_COLOR=never CARGO_NET_RETRY=3
unset CARGO_TARGET_DIR

# Tools that a build may ask for. Each fails here and leaves its name: a build that succeeds does not need it.
mkdir "$work/missing"
for tool in cmake nasm yasm clang bindgen go perl; do
  printf '#!/bin/sh\necho %s >> "$TLS_ASKED"\nexit 127\n' "$tool" > "$work/missing/$tool"
  chmod +x "$work/missing/$tool"
done
export PATH="$work/missing:$PATH"

# The lines of [profile.release], so that sizes are those of the program's own profile.
profile=$(awk '/^\[/ { on = ($0 == "[profile.release]") } on' "$repo/Cargo.toml")

crate() { # name, the expression for the provider, rustls feature
  mkdir -p "$work/$1/src"
  cp "$repo/Cargo.lock" "$work/$1/Cargo.lock"
  cat > "$work/$1/Cargo.toml" <<TOML
[package]
name = "tls-$1"
version = "0.0.0"
edition = "2024"
[dependencies]
rustls = { version = "0.23", default-features = false, features = ["std", "tls12"$3] }
$profile
TOML
  cat > "$work/$1/src/main.rs" <<RUST
use std::io::{Read, Write};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(address) = std::env::args().nth(1) else { return Ok(()) };
    let provider: rustls::crypto::CryptoProvider = $2;
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let connection = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into()?)?;
    let mut stream = rustls::StreamOwned::new(connection, std::net::TcpStream::connect(address)?);
    stream.write_all(b"GET / HTTP/1.0\\r\\n\\r\\n")?;
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply)?;
    std::io::stdout().write_all(&reply)?;
    Ok(())
}
RUST
}

cpu() { # command: prints the CPU seconds of it and its children
  local TIMEFORMAT='%U %S' log="$work/log"
  { time "$@" > "$log" 2>&1; } 2> "$work/times" || { cat "$log" >&2; exit 1; }
  awk '{ printf "%.1f", $1 + $2 }' "$work/times"
}

crate alone 'std::process::exit(1)' ''
crate ring 'rustls::crypto::ring::default_provider()' ', "ring"'
crate aws-lc-rs 'rustls::crypto::aws_lc_rs::default_provider()' ', "aws_lc_rs"'

printf '%s, %s\n' "$(rustc --version)" "$(cc --version | head -1)"
printf '%-10s %-35s %10s %14s %10s %11s  %s\n' provider crates 'dev CPU s' 'release CPU s' 'bytes' 'sources MB' 'tools asked for'
for name in alone ring aws-lc-rs; do
  cd "$work/$name"
  export TLS_ASKED="$work/$name/asked"
  : > "$TLS_ASKED"
  cargo fetch > /dev/null 2>&1
  dev=$(cpu cargo build --locked)
  release=$(cpu cargo build --locked --release)
  bytes=$(stat -c %s "target/release/tls-$name")
  crates=$(cargo tree --locked --prefix none -e normal | sed -n 's/^\(ring\|aws-lc-rs\|aws-lc-sys\|rustls\) v\([^ ]*\).*/\1 \2/p' | sort -u)
  [ "$name" = alone ] || crates=$(grep -v '^rustls ' <<< "$crates")
  # The packages as they come from the registry.
  sources=0
  while read -r package version; do
    directory=$(find "${CARGO_HOME:-$HOME/.cargo}/registry/src" -mindepth 2 -maxdepth 2 -name "$package-$version")
    sources=$((sources + $(du -s --apparent-size --block-size=1K "$directory" | cut -f1)))
  done <<< "$crates"
  printf '%-10s %-35s %10s %14s %10s %11s  %s\n' "$name" "$(paste -sd, <<< "$crates")" "$dev" "$release" "$bytes" \
    "$((sources / 1024))" "$(sort -u "$TLS_ASKED" | paste -sd' ' | sed 's/^$/none/')"
done

printf '\nother targets\n'
installed=$(rustup target list --installed 2> /dev/null || true)
for target in x86_64-unknown-linux-musl aarch64-unknown-linux-gnu aarch64-unknown-linux-musl; do
  case $target in
    x86_64-*-musl) compiler=musl-gcc ;;
    aarch64-*-gnu) compiler=aarch64-linux-gnu-gcc ;;
    *) compiler=aarch64-linux-musl-gcc ;;
  esac
  if ! command -v "$compiler" > /dev/null; then
    printf '%-28s not tried: no %s here\n' "$target" "$compiler"
    continue
  fi
  export "CC_${target//-/_}=$compiler"
  for name in ring aws-lc-rs; do
    cd "$work/$name"
    : > "$TLS_ASKED"
    if grep -qx "$target" <<< "$installed"; then
      # C code, assembly code and Rust code.
      verdict=$(cargo check --locked --target "$target" > "$work/log" 2>&1 && echo "checks" || { tail -3 "$work/log" >&2; echo "FAILS"; })
    else
      cargo check --locked --keep-going --target "$target" > "$work/log" 2>&1 || true
      # A provider's library is in its build script's directory; without it the script has failed.
      library=$(find "target/$target/debug/build" -name '*.a' 2> /dev/null | head -1)
      if grep -q 'failed to run custom build command' "$work/log" || [ -z "$library" ]; then
        verdict="C code FAILS: $(grep -m1 -A3 'failed to run custom build command' "$work/log" | tr '\n' ' ')"
      else
        verdict="C code compiles; Rust code not tried, its standard library for this target is not installed"
      fi
    fi
    printf '%-28s %-10s %s; tools asked for: %s\n' "$target" "$name" "$verdict" "$(sort -u "$TLS_ASKED" | paste -sd' ' | sed 's/^$/none/')"
  done
done

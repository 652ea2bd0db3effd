//! What the suites need on the machine besides Rust: a table, its check and the installation.

use crate::{run, shell, succeeds};

/// A program or package that must be on the machine.
struct Prerequisite {
    name: &'static str,
    purpose: &'static str,
    /// A shell line that succeeds if the prerequisite is installed.
    check: &'static str,
    source: Source,
    /// Names of its packages at the source, separated by spaces. For npm, the folder that lists
    /// them with their versions.
    packages: &'static str,
}

#[derive(Clone, Copy, PartialEq)]
enum Source {
    Debian,
    Rustup,
    Npm,
}
use Source::{Debian, Npm, Rustup};

/// In this order: npm itself comes from Debian.
const SOURCES: [Source; 3] = [Debian, Rustup, Npm];

/// All prerequisites. To add a service, add a line.
#[rustfmt::skip]
const TABLE: &[Prerequisite] = &[
    need("cc", "compiles the bundled SQLite", "echo '#include <stdio.h>' | cc -x c -fsyntax-only -", Debian, "gcc libc6-dev"),
    need("chromium", "runs the client in a browser", r#""${CHROMIUM:-/usr/bin/chromium}" --version"#, Debian, "chromium"),
    need("websockets", "is an independent test client", r#"/usr/bin/python3 -c "import websockets""#, Debian, "python3-websockets"),
    need("PostgreSQL", "is the server that a test starts", "ls /usr/lib/postgresql/*/bin/initdb /usr/lib/postgresql/*/bin/postgres", Debian, "postgresql"),
    need("MariaDB", "is the server that a test starts", "ls /usr/sbin/mariadbd /usr/bin/mariadb-install-db", Debian, "mariadb-server"),
    need("Redis", "is the server that a test starts", "redis-server --version", Debian, "redis-server"),
    need("nginx", "is a proxy that a test starts", "/usr/sbin/nginx -v", Debian, "nginx"),
    need("Caddy", "is a proxy that a test starts", "/usr/bin/caddy version", Debian, "caddy"),
    need("Node", "runs Vite", "node --version && npm --version", Debian, "nodejs npm"),
    need("Vite", "is a proxy that a test starts", r#"T="${CARGO_TARGET_DIR:-target}/npm"; cmp -s tests/npm/package-lock.json "$T/package-lock.json" && [ -e "$T/node_modules/vite" ]"#, Npm, "tests/npm"),
    need("OpenSSL", "makes the certificates of a test", "openssl version", Debian, "openssl"),
    need("rustfmt", "checks the format", "cargo fmt --version", Rustup, "rustfmt"),
    need("clippy", "checks the lints", "cargo clippy --version", Rustup, "clippy"),
];

const fn need(
    name: &'static str,
    purpose: &'static str,
    check: &'static str,
    source: Source,
    packages: &'static str,
) -> Prerequisite {
    Prerequisite {
        name,
        purpose,
        check,
        source,
        packages,
    }
}

impl Source {
    /// Returns whether this process can install from this source.
    fn is_usable(self) -> bool {
        succeeds(match self {
            Debian => r#"[ -e /etc/debian_version ] && command -v apt-get && [ "$(id -u)" = 0 ]"#,
            Rustup => "rustup --version",
            Npm => "npm --version",
        })
    }

    /// Returns the command that installs what is missing from this source. `sudo` comes before
    /// each call that needs root.
    fn command(self, missing: &[&Prerequisite], sudo: &str) -> Option<String> {
        let here = missing.iter().filter(|p| p.source == self);
        let packages = here.map(|p| p.packages).collect::<Vec<_>>().join(" ");
        let install = "apt-get install -y --no-install-recommends";
        (!packages.is_empty()).then(|| match self {
            Debian => format!("{sudo}apt-get update && {sudo}{install} {packages}"),
            Rustup => format!("rustup component add {packages}"),
            Npm => format!(
                r#"T="${{CARGO_TARGET_DIR:-target}}/npm" && mkdir -p "$T" && cp {packages}/package*.json "$T" && npm ci --prefix "$T" --ignore-scripts --no-audit --no-fund"#
            ),
        })
    }
}

/// Returns the names of all prerequisites, for the line that announces the step.
pub(crate) fn names() -> String {
    TABLE.iter().map(|p| p.name).collect::<Vec<_>>().join(", ")
}

/// Installs what is missing, where this process can, and checks again.
///
/// # Errors
/// The message names everything that is still missing and the commands that install it.
pub(crate) fn ensure() -> Result<(), String> {
    let before = missing();
    let mut text = String::new();
    for source in SOURCES {
        let command = source.command(&before, "");
        if let Some(line) = command.filter(|_| source.is_usable()) {
            println!("installing what is missing: {line}");
            if let Err(e) = run(shell(&line).env("DEBIAN_FRONTEND", "noninteractive")) {
                text += &format!("`{line}` failed ({e})\n");
            }
        }
    }
    if before.is_empty() {
        return Ok(());
    }
    match missing().as_slice() {
        [] => Ok(()),
        after => Err(text + &message(after)),
    }
}

fn missing() -> Vec<&'static Prerequisite> {
    TABLE.iter().filter(|p| !succeeds(p.check)).collect()
}

fn message(missing: &[&Prerequisite]) -> String {
    let mut text = "missing on this machine:\n".to_owned();
    for p in missing {
        let Prerequisite { name, purpose, .. } = p;
        text += &format!("  {name} ({purpose}), looked for with: {}\n", p.check);
    }
    text += "to install it (the names are those of Debian and rustup):";
    for source in SOURCES {
        if let Some(line) = source.command(missing, "sudo ") {
            text += &format!("\n  {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPILER: Prerequisite = need("cc", "compiles C", "cc -v", Debian, "gcc libc6-dev");
    const BROWSER: Prerequisite = need("browser", "shows it", "chromium -v", Debian, "chromium");
    const FORMAT: Prerequisite = need("fmt", "formats", "cargo fmt -v", Rustup, "rustfmt");
    const LINTS: Prerequisite = need("lints", "lints", "cargo clippy -v", Rustup, "clippy");

    #[test]
    fn installs_from_each_source_with_one_command() {
        let missing = [&COMPILER, &FORMAT, &BROWSER, &LINTS];
        let apt = "apt-get update && apt-get install -y --no-install-recommends \
                   gcc libc6-dev chromium";
        assert_eq!(Debian.command(&missing, "").as_deref(), Some(apt));
        let rustup = "rustup component add rustfmt clippy";
        assert_eq!(Rustup.command(&missing, "").as_deref(), Some(rustup));
    }

    #[test]
    fn packages_of_npm_have_the_versions_of_their_folder() {
        let page = need("page", "is served", "node -v", Npm, "tests/npm");
        let line = Npm.command(&[&page, &BROWSER], "").expect("a command");
        assert!(line.contains("cp tests/npm/package*.json"), "{line}");
        assert!(line.contains("npm ci"), "{line}");
    }

    #[test]
    fn installs_nothing_from_a_source_that_is_not_needed() {
        assert_eq!(Debian.command(&[&FORMAT], ""), None);
        assert_eq!(Rustup.command(&[&BROWSER], ""), None);
    }

    #[test]
    fn the_message_lists_everything_and_how_to_install_it() {
        let expected = "missing on this machine:
  browser (shows it), looked for with: chromium -v
  fmt (formats), looked for with: cargo fmt -v
to install it (the names are those of Debian and rustup):
  sudo apt-get update && sudo apt-get install -y --no-install-recommends chromium
  rustup component add rustfmt";
        assert_eq!(message(&[&BROWSER, &FORMAT]), expected);
    }
}

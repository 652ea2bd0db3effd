//! `cargo xtask test`: checks the prerequisites, then runs the steps of CI until one fails.

use crate::timings::Timings;
use crate::{prerequisite, run, shell, succeeds, texts};

/// The name of a step, and the line that the shell runs.
type Step = (&'static str, &'static str);

#[rustfmt::skip]
const CHECKS: &[Step] = &[
    ("format", "cargo fmt --all --check"),
    ("lints", "cargo clippy --workspace --all-targets --all-features --locked -- -D warnings"),
    ("docs", r#"RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --locked"#),
];

const SUITES: &[Step] = &[(
    "suites",
    "cargo nextest run --workspace --all-features --locked",
)];

/// The same tests without cargo-nextest. The first step builds the programs in
/// `target/debug/examples`, which nextest also builds: `cargo test --examples` builds them as tests
/// only.
#[rustfmt::skip]
const SUITES_WITHOUT_NEXTEST: &[Step] = &[
    ("examples", "cargo build --workspace --all-features --locked --examples"),
    ("suites", "cargo test --workspace --all-features --locked --lib --bins --tests --examples"),
];

/// SeaORM's feature `proxy` does not compile together with those of the databases. The package has
/// a workspace of its own, and a target directory that does not mix with the other builds.
const PROXY_TESTS: &[Step] = &[(
    "proxy",
    "cargo test --manifest-path tests/proxy/Cargo.toml --target-dir target/proxy --locked",
)];

const DOCTESTS: &[Step] = &[(
    "doctests",
    "cargo test --doc --workspace --all-features --locked",
)];

/// Runs everything that CI runs, and prints how long each step took.
pub(crate) fn test() -> Result<(), String> {
    let mut timings = Timings::default();
    timings.measure("prerequisites", &prerequisite::names(), || {
        prerequisite::ensure()
    })?;
    timings.measure("texts", "comments and references to tests", texts::check)?;
    let suites = if succeeds("cargo nextest --version") {
        SUITES
    } else {
        println!("cargo-nextest is not installed; `cargo test` runs the same tests");
        SUITES_WITHOUT_NEXTEST
    };
    for &(name, line) in [CHECKS, suites, PROXY_TESTS, DOCTESTS]
        .into_iter()
        .flatten()
    {
        let action = || run(&mut shell(line)).map_err(|e| format!("{e}; to run it again: {line}"));
        timings.measure(name, line, action)?;
    }
    print!("\n{timings}");
    Ok(())
}

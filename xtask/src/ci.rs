//! `cargo xtask test`: the prerequisites, then the steps of CI in order, up to the first failure.

use crate::timings::Timings;
use crate::{prerequisite, run, shell, succeeds};

/// A name and a line of shell.
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

/// The same tests without cargo-nextest. `cargo test --examples` builds the examples as tests only,
/// whereas nextest also leaves the programs in `target/debug/examples`: hence the first step.
#[rustfmt::skip]
const SUITES_WITHOUT_NEXTEST: &[Step] = &[
    ("examples", "cargo build --workspace --all-features --locked --examples"),
    ("suites", "cargo test --workspace --all-features --locked --lib --bins --tests --examples"),
];

const DOCTESTS: &[Step] = &[(
    "doctests",
    "cargo test --doc --workspace --all-features --locked",
)];

/// Runs everything that CI runs and prints how long each step took.
pub(crate) fn test() -> Result<(), String> {
    let mut timings = Timings::default();
    timings.measure("prerequisites", &prerequisite::names(), || {
        prerequisite::ensure()
    })?;
    let suites = if succeeds("cargo nextest --version") {
        SUITES
    } else {
        println!("cargo-nextest is not installed: `cargo test` runs the suites, the same tests");
        SUITES_WITHOUT_NEXTEST
    };
    for &(name, line) in [CHECKS, suites, DOCTESTS].into_iter().flatten() {
        let action = || run(&mut shell(line)).map_err(|e| format!("{e}; to repeat it: {line}"));
        timings.measure(name, line, action)?;
    }
    print!("\n{timings}");
    Ok(())
}

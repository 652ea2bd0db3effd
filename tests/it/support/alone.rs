//! Tests that change state of the whole process.

use std::env;

use tokio::process::Command;

/// Environment variable that is set in a process that runs one test.
const ALONE: &str = "REST_LIVE_TEST_ALONE";

/// Runs the test with this path in a process of its own. cargo-nextest does that for each test;
/// `cargo test` runs all tests in one process, where a process-wide capture would also see the
/// writes of other tests.
pub async fn alone(path: &str, test: impl Future<Output = ()>) {
    if env::var_os("NEXTEST").is_some() || env::var_os(ALONE).is_some() {
        return test.await;
    }
    let (_crate, name) = path.split_once("::").unwrap();
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name])
        .env(ALONE, "")
        .output()
        .await
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && stdout.contains("1 passed"),
        "{stdout}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

//! Tests that change what is the process's.

use std::env;

use tokio::process::Command;

/// Set in the process of one test.
const ALONE: &str = "REST_LIVE_TEST_ALONE";

/// Runs a test, given with its path, in a process of its own. cargo-nextest gives each test one; `cargo test`
/// runs all of them in one, where what is installed in it would hear of what others write.
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
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

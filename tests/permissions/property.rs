//! The runner of the property tests.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseError, TestRunner},
};
use tokio::{runtime::Runtime, time::timeout};

/// How long one case may take. A case that waits for a message that never comes fails then.
const CASE_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum time for making a failing case smaller.
const MAX_SHRINK_TIME: Duration = Duration::from_secs(60);

/// Asserts that `property` holds for this number of random cases, all on one fixture, such as a
/// database.
///
/// A failing case is shrunk and printed, with the seed that generates the same cases again. The
/// variables `PROPTEST_CASES` and `PROPTEST_RNG_SEED` override the number and the seed.
pub fn assert_property<S: Strategy, F>(
    cases: u32,
    strategy: &S,
    fixture: impl Future<Output = F>,
    property: &impl AsyncFn(&F, S::Value),
) {
    let defaults = Config::default();
    let seed = match defaults.rng_seed {
        RngSeed::Random => fastrand::u64(..),
        RngSeed::Fixed(seed) => seed,
    };
    let config = Config {
        cases: match std::env::var_os("PROPTEST_CASES") {
            Some(_) => defaults.cases,
            None => cases,
        },
        failure_persistence: None,
        max_shrink_iters: 4096,
        max_shrink_time: MAX_SHRINK_TIME.as_millis() as u32,
        rng_seed: RngSeed::Fixed(seed),
        ..defaults
    };
    let runtime = runtime();
    let fixture = runtime.block_on(fixture);
    let outcome = TestRunner::new(config).run(strategy, |case| {
        let run = || {
            runtime.block_on(async {
                let outcome = timeout(CASE_TIMEOUT, property(&fixture, case)).await;
                let in_time = outcome.is_ok();
                assert!(in_time, "the case did not end within {CASE_TIMEOUT:?}");
            });
        };
        catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            TestCaseError::fail(text.unwrap_or("the property panicked").to_owned())
        })
    });
    // Pools of connections are closed by tasks.
    runtime.block_on(async { drop(fixture) });
    if let Err(error) = outcome {
        panic!("{error}\nto run the same cases again, set PROPTEST_RNG_SEED={seed}");
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

//! The steps that ran, and how long each took.

use std::fmt;
use std::time::{Duration, Instant};

/// The name and the duration of each step, in the order in which they ran.
#[derive(Default)]
pub(crate) struct Timings(Vec<(&'static str, Duration)>);

impl Timings {
    /// Announces `what`, runs it and records how long it took. The error names the step.
    pub(crate) fn measure(
        &mut self,
        name: &'static str,
        what: &str,
        action: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        println!("== {name}: {what}");
        let start = Instant::now();
        let result = action();
        let time = start.elapsed();
        self.0.push((name, time));
        result.map_err(|e| format!("{name} failed after {:.1} s: {e}", time.as_secs_f64()))
    }
}

/// Writes a line for each step and one for the total.
impl fmt::Display for Timings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = ("all", self.0.iter().map(|(_, time)| time).sum());
        for (name, time) in self.0.iter().chain([&whole]) {
            writeln!(f, "{name:<14} {:>7.1} s", time.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_up_the_steps() {
        let seconds = |(name, s)| (name, Duration::from_secs(s));
        let timings = Timings([("lints", 3), ("suites", 61)].map(seconds).to_vec());
        let lines = [
            "lints              3.0 s\n",
            "suites            61.0 s\n",
            "all               64.0 s\n",
        ];
        assert_eq!(timings.to_string(), lines.concat());
    }

    #[test]
    fn a_failure_names_its_step() {
        let failed = Timings::default().measure("lints", "x", || Err("exit status: 1".to_owned()));
        let message = failed.expect_err("the step failed");
        assert!(message.starts_with("lints failed after 0."), "{message}");
        assert!(message.ends_with(" s: exit status: 1"), "{message}");
    }
}

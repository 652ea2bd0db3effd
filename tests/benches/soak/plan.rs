//! The arguments of the soak test.

use std::time::Duration;

pub const USAGE: &str = "\
usage: cargo xtask soak [--seconds N] [--seed S]
  --seconds N  how long the misbehaving clients come and go (default: 120)
  --seed S     repeat the random choices of a run";

pub struct Plan {
    pub time: Duration,
    pub seed: u64,
}

impl Plan {
    /// Parses the arguments. `None`: they are invalid.
    pub fn parse(mut args: &[&str]) -> Option<Self> {
        let (mut seconds, mut seed) = (None, None);
        while let [name, value, rest @ ..] = args {
            let option = match *name {
                "--seconds" => &mut seconds,
                "--seed" => &mut seed,
                _ => return None,
            };
            if option.replace(value.parse().ok()?).is_some() {
                return None;
            }
            args = rest;
        }
        let plan = Self {
            time: Duration::from_secs(seconds.unwrap_or(120)),
            seed: seed.unwrap_or_else(|| fastrand::u64(..)),
        };
        args.is_empty().then_some(plan)
    }

    /// Returns the command that repeats this run.
    pub fn command(&self) -> String {
        let (seconds, seed) = (self.time.as_secs(), self.seed);
        format!("cargo xtask soak --seconds {seconds} --seed {seed}")
    }
}

//! What was asked for.

use std::time::Duration;

pub const USAGE: &str = "\
usage: cargo xtask soak [--seconds N] [--seed S]
  --seconds N  how long the misbehaving come and go: 120 unless said
  --seed S     has each of them want the same again";

pub struct Plan {
    pub time: Duration,
    pub seed: u64,
}

impl Plan {
    /// Reads the arguments, `None` where they are not understood.
    pub fn parse(mut args: &[&str]) -> Option<Self> {
        let (mut seconds, mut seed) = (None, None);
        while let [name, value, rest @ ..] = args {
            let place = match *name {
                "--seconds" => &mut seconds,
                "--seed" => &mut seed,
                _ => return None,
            };
            if place.replace(value.parse().ok()?).is_some() {
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

    /// Returns how to have the same again.
    pub fn command(&self) -> String {
        let (seconds, seed) = (self.time.as_secs(), self.seed);
        format!("cargo xtask soak --seconds {seconds} --seed {seed}")
    }
}

//! `cargo xtask converge`: runs the convergence test on each database, for a number of rounds.

use crate::{prerequisite, run, shell, succeeds};

/// The arguments of the command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rounds {
    rounds: Option<u64>,
    /// Seed of the first round; each later round uses the next number. Without it, each database
    /// draws its own seed.
    seed: Option<u64>,
}

impl Rounds {
    /// Parses the arguments. Returns `None` if they are invalid.
    pub(crate) fn parse(mut args: &[&str]) -> Option<Self> {
        let mut parsed = Self::default();
        while let [name, value, rest @ ..] = args {
            let place = match *name {
                "--rounds" => &mut parsed.rounds,
                "--seed" => &mut parsed.seed,
                _ => return None,
            };
            if place.replace(value.parse().ok()?).is_some() {
                return None;
            }
            args = rest;
        }
        args.is_empty().then_some(parsed)
    }

    /// Runs the rounds. Their output, such as the seeds, goes to the terminal.
    pub(crate) fn run(&self) -> Result<(), String> {
        prerequisite::ensure()?;
        // One database after the other: each then has the machine for itself, and most writes
        // overlap.
        let line = match succeeds("cargo nextest --version") {
            true => {
                "cargo nextest run --locked -p rest-live-tests --test it --no-capture --no-fail-fast convergence::"
            }
            false => {
                "cargo test --locked -p rest-live-tests --test it -- --nocapture --test-threads 1 convergence::"
            }
        };
        let mut command = shell(line);
        for (name, value) in [
            ("CONVERGE_ROUNDS", self.rounds),
            ("CONVERGE_SEED", self.seed),
        ] {
            if let Some(value) = value {
                command.env(name, value.to_string());
            }
        }
        run(&mut command).map_err(|e| format!("{e}; to run it again: {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_its_arguments_and_refuses_others() {
        let rounds = |rounds, seed| Some(Rounds { rounds, seed });
        assert_eq!(Rounds::parse(&[]), rounds(None, None));
        assert_eq!(
            Rounds::parse(&["--seed", "7", "--rounds", "20"]),
            rounds(Some(20), Some(7))
        );
        for wrong in [
            &["--rounds"][..],
            &["--rounds", "many"],
            &["--rounds", "1", "--rounds", "2"],
            &["--round", "1"],
            &["20"],
        ] {
            assert_eq!(Rounds::parse(wrong), None, "{wrong:?}");
        }
    }
}

//! `cargo xtask`: the commands of this repository. This file owns the arguments, the exit code and the
//! shell, the others one command or one noun each. Std only: it builds before anything else does.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

mod ci;
mod converge;
mod prerequisite;
mod timings;

use std::path::Path;
use std::process::{Command, ExitCode};

use converge::Rounds;

const USAGE: &str = "\
usage: cargo xtask <command>

commands:
  test  installs what is missing, then everything that CI runs:
        format, lints, docs, all suites, doctests
  bench capture [WRITE..]
        measures what each kind of write costs, with and without rest-live,
        on SQLite and PostgreSQL; or of these only: insert, 'delete a model'
  bench fanout [SHAPE..]
        measures what it costs to tell every subscriber, beside servers that are
        written by hand, in ten minutes; or of these loads only: a, b
  bench log [PART..]
        measures what each event log costs, by itself (a) and for a write (b), and ten
        thousand clients that come back at once (c), in five minutes; or of these only
  converge [--rounds N] [--seed S]
        many writers at once on each database, and clients that end with
        what is in the tables: N rounds, the first with seed S
  bench permissions
        measures what a permission costs, at 1, 100 and 10,000 subscribers
  soak [--seconds N] [--seed S]
        2,000 connections that come, go, stall and flood for two minutes beside
        well-behaved ones: no frame is lost, nothing is left, memory stays flat
  help  prints this text
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        ["bench", "permissions"] => enter_root().and_then(|()| bench("permissions", &[])),
        [
            "bench",
            name @ ("capture" | "fanout" | "log"),
            ref wanted @ ..,
        ] => enter_root().and_then(|()| bench(name, wanted)),
        ["soak", ref wanted @ ..] => enter_root().and_then(|()| bench("soak", wanted)),
        ["test"] => enter_root().and_then(|()| ci::test()),
        ["converge", ref rest @ ..] => match Rounds::parse(rest) {
            Some(rounds) => enter_root().and_then(|()| rounds.run()),
            None => return misunderstood(),
        },
        _ => return misunderstood(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("\nxtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a bench, of all that it measures or of what is wanted.
fn bench(name: &str, wanted: &[&str]) -> Result<(), String> {
    let line = "CARGO_INCREMENTAL=0 cargo bench --locked -p rest-live-benches --bench \"$@\"";
    run(shell(line).args(["sh", name, "--"]).args(wanted))
}

fn misunderstood() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}

/// Moves to the root of the repository: every relative path and every call of this tool starts there.
fn enter_root() -> Result<(), String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    std::env::set_current_dir(root).map_err(|e| format!("cannot enter {}: {e}", root.display()))
}

/// Returns the command that runs a line of shell.
fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

/// Runs `command`, its output going straight to the terminal; an error says how it ended.
fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(e) => Err(format!("cannot start {command:?}: {e}")),
    }
}

/// Says, without any output, whether a line of shell succeeds.
fn succeeds(line: &str) -> bool {
    shell(line).output().is_ok_and(|o| o.status.success())
}

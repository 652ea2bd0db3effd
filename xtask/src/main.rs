//! `cargo xtask`: the commands of this repository.
//!
//! This file owns the arguments, the exit code and the shell. Each other file owns one command or
//! one noun. It uses only std, because it must build before anything is installed.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool"
)]

mod ci;
mod converge;
mod prerequisite;
mod texts;
mod timings;

use std::path::Path;
use std::process::{Command, ExitCode};

use converge::Rounds;

const USAGE: &str = "\
usage: cargo xtask <command>

commands:
  test  install what is missing, then run everything that CI runs:
        format, lints, docs, all suites, doctests
  converge [--rounds N] [--seed S]
        run many concurrent writers on each database, then check that every client
        has the same rows as the tables; N rounds, the first with seed S
  soak [--seconds N] [--seed S]
        run a server for two minutes or N seconds, while 2,000 clients connect,
        disconnect, stop reading or send too much; check that other clients lose
        no frame, that nothing remains at the end, and that memory does not grow
  bench capture [WRITE..]
        measure the cost of each kind of write on SQLite and PostgreSQL,
        with and without rest-live.
        WRITE limits it to the given writes, such as insert or 'delete a model'
  bench fanout [SHAPE..]
        measure the cost of sending a change to every subscriber, and compare it
        with hand-written servers; takes ten minutes.
        SHAPE limits it to the given loads, such as a or b
  bench log [PART..]
        measure the cost of each event log: by itself (a), for a write (b), and when
        ten thousand clients reconnect at once (c); takes five minutes.
        PART limits it to the given parts
  bench authorize
        measure how long other requests wait while 2,000 clients reconnect, with and
        without the limit on concurrent calls of authorize; takes two minutes
  bench rows [UPDATES]
        measure the memory after 20,000 or UPDATES updates of a row with a text of
        500 KB, and the time of an update, with and without rest-live
  bench permissions
        measure the cost of a permission, at 1, 100 and 10,000 subscribers
  help  print this text
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        ["bench", name @ ("authorize" | "permissions")] => {
            enter_root().and_then(|()| bench(name, &[]))
        }
        [
            "bench",
            name @ ("capture" | "fanout" | "log" | "rows"),
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

/// Runs a bench: everything that it measures, or only the parts in `wanted`.
fn bench(name: &str, wanted: &[&str]) -> Result<(), String> {
    let line = "CARGO_INCREMENTAL=0 cargo bench --locked -p rest-live-benches --bench \"$@\"";
    run(shell(line).args(["sh", name, "--"]).args(wanted))
}

fn misunderstood() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}

/// Changes to the root of the repository, where all relative paths and all commands of this tool
/// start.
fn enter_root() -> Result<(), String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    std::env::set_current_dir(root).map_err(|e| format!("cannot enter {}: {e}", root.display()))
}

/// Returns the command that runs a line in the shell.
fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    command
}

/// Runs `command` with its output on the terminal. The error says how the command ended.
fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(e) => Err(format!("cannot start {command:?}: {e}")),
    }
}

/// Returns whether a line succeeds in the shell. Prints nothing.
fn succeeds(line: &str) -> bool {
    shell(line).output().is_ok_and(|o| o.status.success())
}

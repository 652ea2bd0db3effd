//! Where it runs: a figure without it says nothing.

use std::{fs, thread};

/// Returns what the machine is, and how it was asked.
pub fn description() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} x {}, Linux {}; `cargo xtask bench capture`.\n\
         Medians of writes, one after the other.\n\
         BEGIN and COMMIT are not among the statements.",
        thread::available_parallelism().map_or(1, usize::from),
        model.map_or("unknown", |(_, model)| model),
        kernel.trim(),
    )
}

//! Where it runs: a figure without it says nothing.

use std::{fs, thread};

/// Returns what the machine is, and which command asked it.
pub fn description(command: &str) -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": "));
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} x {}, Linux {}; `{command}`.",
        thread::available_parallelism().map_or(1, usize::from),
        model.map_or("unknown", |(_, model)| model),
        kernel.trim(),
    )
}

/// Returns how many programs want a core, on average of the last minute; `None` where nobody knows.
pub fn load() -> Option<f64> {
    let averages = fs::read_to_string("/proc/loadavg").ok()?;
    averages.split(' ').next()?.parse().ok()
}

//! Describes the machine: figures of a bench are meaningless without it.

use std::{fs, thread};

/// Returns the processor, the kernel and the command that was run.
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

/// Returns the load average of the last minute, or `None` if the system does not provide it.
pub fn load() -> Option<f64> {
    let averages = fs::read_to_string("/proc/loadavg").ok()?;
    averages.split(' ').next()?.parse().ok()
}

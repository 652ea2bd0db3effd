//! What the benches have in common.

pub mod frame;
pub mod machine;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns what was asked for by name: what cargo adds begins with a dash.
pub fn names() -> Vec<String> {
    let args = std::env::args().skip(1);
    args.filter(|arg| !arg.starts_with('-')).collect()
}

/// Has this process open as many files as it may, and returns how many these are.
///
/// # Panics
/// Where the system does not let it.
pub fn raise_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("a process may have what it may have at most");
    limit.maximum.map_or(usize::MAX, |files| files as usize)
}

/// Returns the memory that a process has, in KiB, as the text of its `/proc/<pid>/status` says.
///
/// # Panics
/// Where it does not say.
pub fn resident(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let number = number.and_then(|number| number.parse().ok());
    number.expect("the status of a process has a VmRSS in kB")
}

/// Returns the middle one of these measurements.
///
/// # Panics
/// Where there is none, or where one of them is no number.
pub fn median<T: PartialOrd + Copy>(mut measured: Vec<T>) -> T {
    measured.sort_by(|a, b| a.partial_cmp(b).expect("measurements are numbers"));
    measured[measured.len() / 2]
}

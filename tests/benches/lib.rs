//! Functions that the benches share.

pub mod frame;
pub mod machine;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the arguments of the bench, without those that cargo adds, which begin with a dash.
pub fn names() -> Vec<String> {
    let args = std::env::args().skip(1);
    args.filter(|arg| !arg.starts_with('-')).collect()
}

/// Raises this process's limit of open files to the maximum, and returns that maximum.
///
/// # Panics
/// Panics if the system refuses.
pub fn raise_files() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("a process may raise its limit to the hard limit");
    limit.maximum.map_or(usize::MAX, |files| files as usize)
}

/// Returns the resident memory of a process in KiB, from the text of its `/proc/<pid>/status`.
///
/// # Panics
/// Panics if the text has no `VmRSS`.
pub fn resident(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let number = number.and_then(|number| number.parse().ok());
    number.expect("the status of a process has a VmRSS in kB")
}

/// Returns the median of these measurements.
///
/// # Panics
/// Panics if there is none, or if one of them is NaN.
pub fn median<T: PartialOrd + Copy>(mut measured: Vec<T>) -> T {
    measured.sort_by(|a, b| a.partial_cmp(b).expect("measurements are not NaN"));
    measured[measured.len() / 2]
}

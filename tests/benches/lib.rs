//! What the benches have in common.

pub mod machine;

/// Returns what was asked for by name: what cargo adds begins with a dash.
pub fn names() -> Vec<String> {
    let args = std::env::args().skip(1);
    args.filter(|arg| !arg.starts_with('-')).collect()
}

/// Returns the middle one of these measurements.
///
/// # Panics
/// Where there is none, or where one of them is no number.
pub fn median<T: PartialOrd + Copy>(mut measured: Vec<T>) -> T {
    measured.sort_by(|a, b| a.partial_cmp(b).expect("measurements are numbers"));
    measured[measured.len() / 2]
}

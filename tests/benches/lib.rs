//! What the benches have in common.

pub mod machine;

/// Returns the middle one of these measurements.
///
/// # Panics
/// Where there is none, or where one of them is no number.
pub fn median<T: PartialOrd + Copy>(mut measured: Vec<T>) -> T {
    measured.sort_by(|a, b| a.partial_cmp(b).expect("measurements are numbers"));
    measured[measured.len() / 2]
}

//! Decimals as sqlx reads them from PostgreSQL, computed from PostgreSQL's text.
//!
//! The number of digits after the point is part of a decimal. sqlx derives it from PostgreSQL's
//! binary format, so it differs from that of the text.

/// Maximum number of digits that `rust_decimal` certainly keeps.
const MAX_DIGITS: usize = 28;

/// Returns the text of the `rust_decimal::Decimal` that sqlx reads. Returns `None` if the number
/// may exceed it: sqlx would fail or round.
pub(super) fn of_rust_decimal(text: &str) -> Option<String> {
    let (_, whole, fraction) = parts(text)?;
    if whole.bytes().chain(fraction.bytes()).all(|b| b == b'0') {
        // PostgreSQL sends zero without digits, whatever its scale is.
        return Some("0".to_owned());
    }
    let digits = whole.trim_start_matches('0').len() + fraction.len();
    (digits <= MAX_DIGITS).then(|| text.to_owned())
}

/// Returns the text of the `bigdecimal::BigDecimal` that sqlx reads.
pub(super) fn of_big_decimal(text: &str) -> Option<String> {
    let (sign, whole, fraction) = parts(text)?;
    // PostgreSQL sends groups of four digits, without groups of zeros at both ends. The scale is a
    // multiple of four.
    let groups_of_fraction = fraction.len().div_ceil(4);
    let mut digits = format!("{whole}{fraction:0<width$}", width = groups_of_fraction * 4);
    let mut scale = 4 * i64::try_from(groups_of_fraction).ok()?;
    while digits.len() > 4 && digits.ends_with("0000") {
        digits.truncate(digits.len() - 4);
        scale -= 4;
    }
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    Some(format!("{sign}{digits}E{}", -scale))
}

/// Splits a number into its sign, and its digits before and after the point.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (sign, digits) = text.split_at(usize::from(text.starts_with('-')));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    (!whole.is_empty() && is_number(whole) && is_number(fraction))
        .then_some((sign, whole, fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_is_the_one_of_sqlx() {
        for (text, decimal, big_decimal) in [
            ("1.50", Some("1.50"), Some("15000E-4")),
            ("-1.5", Some("-1.5"), Some("-15000E-4")),
            ("0.00", Some("0"), Some("0")),
            ("10000", Some("10000"), Some("1E4")),
            ("120000", Some("120000"), Some("12E4")),
            ("100", Some("100"), Some("100E0")),
            ("0.00010000", Some("0.00010000"), Some("1E-4")),
            (
                "1.000012340000",
                Some("1.000012340000"),
                Some("100001234E-8"),
            ),
            ("NaN", None, None),
            ("1e5", None, None),
        ] {
            assert_eq!(of_rust_decimal(text).as_deref(), decimal, "{text}");
            assert_eq!(of_big_decimal(text).as_deref(), big_decimal, "{text}");
        }
        assert_eq!(of_rust_decimal(&"9".repeat(29)), None);
    }
}

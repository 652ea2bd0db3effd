//! [`DateTime`]: dates and times in the text of PostgreSQL, `chrono` and `time`.
//!
//! `time` serializes a date as numbers, or as a text of its own if the application enables its
//! feature `serde-human-readable`. Both forms and PostgreSQL's become ISO 8601 in the event log.

use std::fmt;

use serde_json::{Value as Json, json};

/// A date, a time of day, and an offset from UTC. Each may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DateTime {
    date: Option<Date>,
    time: Option<Time>,
    /// In seconds, positive to the east.
    offset: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    /// Year 0 is 1 BC.
    year: i64,
    month: u8,
    day: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    nanosecond: u32,
}

const SECONDS_PER_DAY: i64 = 86_400;

impl DateTime {
    /// Parses `[date][T| ][time][ ][offset][ BC]`, as PostgreSQL writes it to JSON and `time` to a
    /// text. Returns `None` for any other text, also for `infinity`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (text, is_before_christ) = match text.strip_suffix(" BC") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let mut parsed = Self::default();
        let mut rest = text;
        let digits_from = usize::from(text.starts_with(['+', '-']));
        if let Some(end) = text[digits_from..].find('-').map(|end| end + digits_from) {
            let is_date = text[digits_from..end].bytes().all(|b| b.is_ascii_digit());
            if is_date && end - digits_from >= 4 {
                let year: i64 = text[..end].parse().ok()?;
                let month_and_day = text.get(end..end + 6)?.as_bytes();
                let [b'-', m1, m2, b'-', d1, d2] = *month_and_day else {
                    return None;
                };
                let date = Date {
                    year: if is_before_christ { 1 - year } else { year },
                    month: two_digits(m1, m2)?,
                    day: two_digits(d1, d2)?,
                };
                parsed.date = Some(date.valid()?);
                rest = &text[end + 6..];
                if rest.is_empty() {
                    return Some(parsed);
                }
                rest = rest.strip_prefix(['T', ' '])?;
            }
        }
        if is_before_christ && parsed.date.is_none() {
            return None;
        }
        let length = rest.find(['+', '-', 'Z', ' ']).unwrap_or(rest.len());
        parsed.time = Some(Time::parse(&rest[..length])?);
        let offset = rest[length..].trim_start();
        if !offset.is_empty() {
            parsed.offset = Some(parse_offset(offset)?);
        }
        Some(parsed)
    }

    /// Reads the numbers that `time` serializes.
    pub(super) fn from_numbers(tag: &str, numbers: &Json) -> Option<Self> {
        let numbers: Vec<i64> = numbers
            .as_array()?
            .iter()
            .map(Json::as_i64)
            .collect::<Option<_>>()?;
        let time = |numbers: &[i64]| {
            let [hour, minute, second, nanosecond] = *numbers else {
                return None;
            };
            Some(Time {
                hour: hour.try_into().ok()?,
                minute: minute.try_into().ok()?,
                second: second.try_into().ok()?,
                nanosecond: nanosecond.try_into().ok()?,
            })
        };
        let date = |year: i64, ordinal: i64| Date::from_days(first_day(year) + ordinal - 1);
        Some(match (tag, &*numbers) {
            ("TimeDate", [year, ordinal]) => Self {
                date: Some(date(*year, *ordinal)),
                ..Self::default()
            },
            ("TimeTime", numbers) => Self {
                time: Some(time(numbers)?),
                ..Self::default()
            },
            ("TimeDateTime", [year, ordinal, rest @ ..]) => Self {
                date: Some(date(*year, *ordinal)),
                time: Some(time(rest)?),
                offset: None,
            },
            ("TimeDateTimeWithTimeZone", [year, ordinal, rest @ .., hours, minutes, seconds]) => {
                Self {
                    date: Some(date(*year, *ordinal)),
                    time: Some(time(rest)?),
                    offset: Some((hours * 3600 + minutes * 60 + seconds).try_into().ok()?),
                }
            }
            _ => return None,
        })
    }

    /// Returns the numbers that `time` deserializes.
    pub(super) fn to_numbers(self, tag: &str) -> Option<Json> {
        let Self { date, time, offset } = self;
        let date = date.map(|date| (date.year, date.days() - first_day(date.year) + 1));
        let time = time.map(|t| (t.hour, t.minute, t.second, t.nanosecond));
        Some(match (tag, date, time, offset) {
            ("TimeDate", Some((year, ordinal)), None, None) => json!([year, ordinal]),
            ("TimeTime", None, Some((h, m, s, n)), None) => json!([h, m, s, n]),
            ("TimeDateTime", Some((year, ordinal)), Some((h, m, s, n)), None) => {
                json!([year, ordinal, h, m, s, n])
            }
            (
                "TimeDateTimeWithTimeZone",
                Some((year, ordinal)),
                Some((h, m, s, n)),
                Some(offset),
            ) => {
                let (hours, minutes, seconds) = (offset / 3600, offset / 60 % 60, offset % 60);
                json!([year, ordinal, h, m, s, n, hours, minutes, seconds])
            }
            _ => return None,
        })
    }

    /// Returns the same instant with the offset zero.
    pub(super) fn to_utc(self) -> Option<Self> {
        let (date, time, offset) = (self.date?, self.time?, self.offset?);
        let seconds = date.days() * SECONDS_PER_DAY + time.seconds() - i64::from(offset);
        let of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        Some(Self {
            date: Some(Date::from_days(seconds.div_euclid(SECONDS_PER_DAY))),
            time: Some(Time {
                hour: u8::try_from(of_day / 3600).ok()?,
                minute: u8::try_from(of_day / 60 % 60).ok()?,
                second: u8::try_from(of_day % 60).ok()?,
                ..time
            }),
            offset: Some(0),
        })
    }
}

/// ISO 8601. A year that has not four digits has a sign.
impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Date { year, month, day }) = self.date {
            if (0..=9999).contains(&year) {
                write!(f, "{year:04}")?;
            } else {
                write!(f, "{year:+05}")?;
            }
            write!(f, "-{month:02}-{day:02}")?;
        }
        if self.date.is_some() && self.time.is_some() {
            f.write_str("T")?;
        }
        if let Some(time) = self.time {
            let (hour, minute, second) = (time.hour, time.minute, time.second);
            write!(f, "{hour:02}:{minute:02}:{second:02}")?;
            if time.nanosecond > 0 {
                write!(f, ".{:09}", time.nanosecond)?;
            }
        }
        if let Some(offset) = self.offset {
            let sign = if offset < 0 { '-' } else { '+' };
            let offset = offset.unsigned_abs();
            write!(f, "{sign}{:02}:{:02}", offset / 3600, offset / 60 % 60)?;
            if offset % 60 > 0 {
                write!(f, ":{:02}", offset % 60)?;
            }
        }
        Ok(())
    }
}

impl Date {
    fn valid(self) -> Option<Self> {
        (Self::from_days(self.days()) == self).then_some(self)
    }

    /// Returns the days since 1970-01-01 in the proleptic Gregorian calendar: `days_from_civil` of
    /// <https://howardhinnant.github.io/date_algorithms.html>.
    fn days(self) -> i64 {
        let month = i64::from(self.month);
        let year = if month <= 2 { self.year - 1 } else { self.year };
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The inverse of [`days`](Self::days): `civil_from_days` of the same page.
    fn from_days(days: i64) -> Self {
        let days = days + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = (shifted_month + 2) % 12 + 1;
        let narrow = |number: i64| u8::try_from(number).unwrap_or(u8::MAX);
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: narrow(month),
            day: narrow(day_of_year - (153 * shifted_month + 2) / 5 + 1),
        }
    }
}

fn first_day(year: i64) -> i64 {
    let (month, day) = (1, 1);
    Date { year, month, day }.days()
}

impl Time {
    /// Parses `HH:MM:SS[.f]`.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let [h1, h2, b':', m1, m2, b':', s1, s2] = *whole.as_bytes() else {
            return None;
        };
        if fraction.len() > 9 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (hour, minute) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
        let second = two_digits(s1, s2)?;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        Some(Self {
            hour,
            minute,
            second,
            nanosecond: format!("{fraction:0<9}").parse().ok()?,
        })
    }

    fn seconds(self) -> i64 {
        i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second)
    }
}

/// Parses `Z` or `±HH[:MM[:SS]]`.
fn parse_offset(text: &str) -> Option<i32> {
    if text == "Z" {
        return Some(0);
    }
    let (sign, text) = match text.split_at_checked(1)? {
        ("+", text) => (1, text),
        ("-", text) => (-1, text),
        _ => return None,
    };
    let mut seconds = 0;
    let mut unit = 3600;
    for part in text.split(':') {
        let [a, b] = *part.as_bytes() else {
            return None;
        };
        seconds += unit * i32::from(two_digits(a, b)?);
        unit /= 60;
    }
    Some(sign * seconds)
}

fn two_digits(tens: u8, ones: u8) -> Option<u8> {
    let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
    Some(digit(tens)? * 10 + digit(ones)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_becomes_the_same_text() {
        for (text, expected) in [
            ("2024-05-01", "2024-05-01"),
            ("0044-03-15 BC", "-0043-03-15"),
            ("12024-05-01", "+12024-05-01"),
            ("12:30:00", "12:30:00"),
            ("12:30:00.25", "12:30:00.250000000"),
            ("2024-05-01T12:00:00", "2024-05-01T12:00:00"),
            ("2024-05-01 12:00:00.0", "2024-05-01T12:00:00"),
            ("2024-05-01T12:00:00+02:00", "2024-05-01T12:00:00+02:00"),
            ("2024-05-01T12:00:00-03:30", "2024-05-01T12:00:00-03:30"),
            (
                "2024-05-01 12:00:00.5 +00:00:00",
                "2024-05-01T12:00:00.500000000+00:00",
            ),
            (
                "1890-01-01T00:53:28+00:53:28",
                "1890-01-01T00:53:28+00:53:28",
            ),
        ] {
            let parsed = DateTime::parse(text).map(|parsed| parsed.to_string());
            assert_eq!(parsed.as_deref(), Some(expected), "{text}");
        }
        for text in ["infinity", "", "24:00:00", "2024-02-30", "2024-05-01X"] {
            assert_eq!(DateTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_instant_has_one_text_in_utc() {
        for (text, expected) in [
            ("2024-05-01T12:00:00+02:00", "2024-05-01T10:00:00+00:00"),
            ("2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00+00:00"),
            ("1999-12-31T23:30:00-01:00", "2000-01-01T00:30:00+00:00"),
            ("0001-01-01T00:30:00+01:00", "0000-12-31T23:30:00+00:00"),
        ] {
            let utc = DateTime::parse(text).and_then(DateTime::to_utc);
            let utc = utc.map(|utc| utc.to_string());
            assert_eq!(utc.as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn numbers_of_time_are_the_same_date() {
        for (tag, text, numbers) in [
            ("TimeDate", "2024-12-31", json!([2024, 366])),
            ("TimeTime", "23:59:59", json!([23, 59, 59, 0])),
            (
                "TimeDateTimeWithTimeZone",
                "2023-03-01T01:02:03.000000004-03:30",
                json!([2023, 60, 1, 2, 3, 4, -3, -30, 0]),
            ),
        ] {
            let parsed = DateTime::parse(text).expect("a time");
            assert_eq!(parsed.to_numbers(tag), Some(numbers.clone()));
            assert_eq!(DateTime::from_numbers(tag, &numbers), Some(parsed));
        }
        for days in -1_000_000..1_000_000 {
            assert_eq!(Date::from_days(days).days(), days);
        }
    }
}

//! What the misbehaving did, and what was done to them.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Mutex, MutexGuard},
};

/// Counts of all of them.
#[derive(Default)]
pub struct Tally(Mutex<Counted>);

#[derive(Default)]
pub struct Counted {
    /// Connections that were opened, by what they were for.
    pub connections: BTreeMap<&'static str, u64>,
    pub frames: u64,
    pub bytes: u64,
    pub resets: u64,
    /// Error frames but for resets, by their codes.
    pub errors: BTreeMap<u16, u64>,
    /// Close frames, by their codes.
    pub closes: BTreeMap<u16, u64>,
    /// Streams that ended without one.
    pub ends: u64,
    /// What the system said, or the server's HTTP.
    pub failures: BTreeMap<String, u64>,
}

/// How a reset begins in v1, and how an error does in each dialect.
const RESET: &[u8] = br#"{"type":"reset""#;
const ERROR: &[u8] = br#"{"type":"error""#;
/// What stands before its code.
const CODE: &[u8] = br#""code":"#;

impl Tally {
    pub fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap()
    }

    pub fn open(&self, purpose: &'static str) {
        *self.counted().connections.entry(purpose).or_default() += 1;
    }

    /// Counts what went wrong, by what the connection was for.
    pub fn fail(&self, purpose: &str, error: &io::Error) {
        let what = match error.get_ref() {
            Some(inner) => inner.to_string(),
            None => error.kind().to_string(),
        };
        self.counted().fail(format!("{what} ({purpose})"));
    }
}

impl Counted {
    pub fn fail(&mut self, what: String) {
        *self.failures.entry(what).or_default() += 1;
    }

    pub fn text(&mut self, text: &[u8]) {
        self.frames += 1;
        if text.starts_with(RESET) {
            self.resets += 1;
        } else if text.starts_with(ERROR) {
            match code(text) {
                // So it is called outside v1.
                410 => self.resets += 1,
                code => *self.errors.entry(code).or_default() += 1,
            }
        }
    }

    pub fn close(&mut self, code: Option<u16>) {
        // RFC 6455, section 7.1.5.
        *self.closes.entry(code.unwrap_or(1005)).or_default() += 1;
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections: u64 = self.connections.values().sum();
        let mebibytes = self.bytes >> 20;
        let Self {
            frames,
            resets,
            ends,
            ..
        } = self;
        writeln!(
            f,
            "misbehaving    {connections} connections: {}",
            listed(&self.connections)
        )?;
        writeln!(
            f,
            "  they read    {frames} frames, {mebibytes} MiB; {resets} resets"
        )?;
        writeln!(f, "  errors       {}", listed(&self.errors))?;
        writeln!(
            f,
            "  closes       {}; without a close frame: {ends}",
            listed(&self.closes)
        )?;
        write!(f, "  failures     {}", listed(&self.failures))
    }
}

fn listed<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let counts = counts
        .iter()
        .map(|(what, count)| format!("{what}: {count}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// Reads the code of an error frame; 0 where it has none.
fn code(text: &[u8]) -> u16 {
    let place = text.windows(CODE.len()).position(|bytes| bytes == CODE);
    let digits = place.map_or(&text[..0], |place| &text[place + CODE.len()..]);
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |code: u16, digit| {
        code.wrapping_mul(10) + u16::from(digit - b'0')
    })
}

//! Counts what the misbehaving clients did, and what they received.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Mutex, MutexGuard},
};

/// The counts of all misbehaving clients.
#[derive(Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Default)]
pub struct Counts {
    /// Connections that were opened, by purpose.
    pub connections: BTreeMap<&'static str, u64>,
    pub frames: u64,
    pub bytes: u64,
    pub resets: u64,
    /// Error frames except resets, by code.
    pub errors: BTreeMap<u16, u64>,
    /// Close frames, by code.
    pub closes: BTreeMap<u16, u64>,
    /// Streams that ended without a close frame.
    pub ends: u64,
    /// Errors of the system, and refused handshakes.
    pub failures: BTreeMap<String, u64>,
}

/// The beginning of a reset in v1.
const RESET: &[u8] = br#"{"type":"reset""#;
/// The beginning of an error in each dialect.
const ERROR: &[u8] = br#"{"type":"error""#;
/// The text before the code of an error.
const CODE: &[u8] = br#""code":"#;

impl Tally {
    pub fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap()
    }

    pub fn open(&self, purpose: &'static str) {
        *self.counts().connections.entry(purpose).or_default() += 1;
    }

    /// Counts a failure, by error and purpose of the connection.
    pub fn fail(&self, purpose: &str, error: &io::Error) {
        let message = match error.get_ref() {
            Some(inner) => inner.to_string(),
            None => error.kind().to_string(),
        };
        self.counts().fail(format!("{message} ({purpose})"));
    }
}

impl Counts {
    pub fn fail(&mut self, failure: String) {
        *self.failures.entry(failure).or_default() += 1;
    }

    pub fn text(&mut self, text: &[u8]) {
        self.frames += 1;
        if text.starts_with(RESET) {
            self.resets += 1;
        } else if text.starts_with(ERROR) {
            match code(text) {
                // A reset in the other dialects.
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

impl fmt::Display for Counts {
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
            list(&self.connections)
        )?;
        writeln!(
            f,
            "  received     {frames} frames, {mebibytes} MiB; {resets} resets"
        )?;
        writeln!(f, "  errors       {}", list(&self.errors))?;
        writeln!(
            f,
            "  closes       {}; without a close frame: {ends}",
            list(&self.closes)
        )?;
        write!(f, "  failures     {}", list(&self.failures))
    }
}

fn list<K: fmt::Display>(counts: &BTreeMap<K, u64>) -> String {
    let counts = counts
        .iter()
        .map(|(name, count)| format!("{name}: {count}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// Returns the code of an error frame, or 0 if it has none.
fn code(text: &[u8]) -> u16 {
    let index = text.windows(CODE.len()).position(|bytes| bytes == CODE);
    let digits = index.map_or(&text[..0], |index| &text[index + CODE.len()..]);
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |code: u16, digit| {
        code.wrapping_mul(10) + u16::from(digit - b'0')
    })
}

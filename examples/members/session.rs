//! Who is signed in. A name is enough, for this is an example: ask for more than that.
//!
//! Sessions are in memory, until they are signed out of or the server ends.

use std::{
    collections::HashMap,
    fmt::Write,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// One person in one browser.
pub struct Session {
    name: String,
    over: AtomicBool,
}

impl Session {
    /// Whose it is, `None` once it is over.
    pub fn name(&self) -> Option<&str> {
        (!self.over.load(Ordering::Acquire)).then_some(&self.name)
    }
}

#[derive(Default)]
pub struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

impl Sessions {
    /// Begins a session and returns its token, which nobody can guess.
    pub fn begin(&self, name: String) -> Result<String, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let token = bytes.iter().fold(String::new(), |mut token, byte| {
            _ = write!(token, "{byte:02x}");
            token
        });
        let session = Session {
            name,
            over: AtomicBool::new(false),
        };
        self.by_token().insert(token.clone(), Arc::new(session));
        Ok(token)
    }

    pub fn find(&self, token: &str) -> Option<Arc<Session>> {
        self.by_token().get(token).cloned()
    }

    /// Ends a session, also for a connection that is just being made with it.
    pub fn end(&self, token: &str) -> Option<Arc<Session>> {
        let session = self.by_token().remove(token)?;
        session.over.store(true, Ordering::Release);
        Some(session)
    }

    fn by_token(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

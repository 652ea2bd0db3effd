//! The sessions of people who signed in. This is an example: a real sign-in needs more than a name.
//!
//! Sessions are kept in memory, until they are signed out or the server stops.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// One person in one browser.
pub struct Session {
    id: String,
    name: String,
    has_ended: AtomicBool,
}

impl Session {
    /// Returns the person's name, or `None` after the session has ended.
    pub fn name(&self) -> Option<&str> {
        (!self.has_ended.load(Ordering::Acquire)).then_some(&self.name)
    }
}

#[derive(Default)]
pub struct Sessions(Mutex<HashMap<String, Arc<Session>>>);

impl Sessions {
    /// Begins a session and returns its id, which cannot be guessed.
    pub fn begin(&self, name: String) -> Result<String, getrandom::Error> {
        let id = random_id()?;
        let session = Session {
            id: id.clone(),
            name,
            has_ended: AtomicBool::new(false),
        };
        self.by_id().insert(id.clone(), Arc::new(session));
        Ok(id)
    }

    pub fn find(&self, id: &str) -> Option<Arc<Session>> {
        self.by_id().get(id).cloned()
    }

    /// Ends a session, also for a connection that is being opened with it.
    pub fn end(&self, session: &Session) {
        session.has_ended.store(true, Ordering::Release);
        self.by_id().remove(&session.id);
    }

    fn by_id(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns 32 random bytes in hexadecimal.
pub fn random_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

//! Short-lived tokens of sessions, for pages that use no cookie. A page asks for a new token with
//! the id of its session before the old one expires.

use std::{
    collections::HashMap,
    env,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use crate::session::{Session, random_id};

/// How long a token is valid. `MEMBERS_TOKEN_MS` sets another time.
const LIFETIME: Duration = Duration::from_secs(60);

pub struct Tokens {
    lifetime: Duration,
    issued: Mutex<HashMap<String, Token>>,
}

/// What a token stands for.
#[derive(Clone)]
pub struct Token {
    pub session: Arc<Session>,
    pub expires_at: SystemTime,
}

impl Tokens {
    /// Reads the lifetime of the tokens from the environment.
    pub fn from_env() -> Self {
        let lifetime = env::var("MEMBERS_TOKEN_MS").ok();
        let lifetime = lifetime.and_then(|lifetime| lifetime.parse().ok());
        Self {
            lifetime: lifetime.map_or(LIFETIME, Duration::from_millis),
            issued: Mutex::default(),
        }
    }

    pub fn issue(&self, session: Arc<Session>) -> Result<String, getrandom::Error> {
        let token = random_id()?;
        let now = SystemTime::now();
        let expires_at = now + self.lifetime;
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.retain(|_, old| old.expires_at > now);
        issued.insert(
            token.clone(),
            Token {
                session,
                expires_at,
            },
        );
        Ok(token)
    }

    /// Returns what a token stands for, unless it has expired or its session has ended.
    pub fn find(&self, token: &str) -> Option<Token> {
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let found = issued.get(token).cloned()?;
        let is_valid = found.expires_at > SystemTime::now() && found.session.name().is_some();
        is_valid.then_some(found)
    }
}

//! Tokens on an open connection: who the user is, what a new user keeps and loses, and when
//! credentials expire.

mod contested;
mod errors;
mod expiry;
mod refresh;

use std::{
    error::Error,
    fmt,
    time::{Duration, SystemTime},
};

use rest_live::{Limits, testing::Client, transport::Handshake};
use sea_orm::DbErr;
use serde_json::{Value, json};

use crate::vault::{Person, Vault, ada, bob, subscribe};

type AnyError = Box<dyn Error + Send + Sync>;

/// An error of the application that a failure of its database caused.
#[derive(Debug)]
struct Caused(DbErr);

impl fmt::Display for Caused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token swordfish could not be read")
    }
}

impl Error for Caused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Returns the user of a token: a name, and maybe the milliseconds until the token expires, such as
/// `ada` or `ada 300`.
async fn user_of(token: String) -> Result<(Person, Option<SystemTime>), AnyError> {
    let (name, lifetime) = token.split_once(' ').unwrap_or((&token, ""));
    let user = match name {
        "ada" => ada(),
        "bob" => bob(),
        "database" => return Err(DbErr::Custom("the database is down".to_owned()).into()),
        "caused" => return Err(Caused(DbErr::Custom("the database is down".to_owned())).into()),
        "missing" => return Err(DbErr::RecordNotFound("swordfish".to_owned()).into()),
        "panics" => panic!("the token is swordfish"),
        "waits" => std::future::pending().await,
        other => return Err(format!("{other} is wrong").into()),
    };
    let expires_at = match lifetime.parse::<i64>() {
        Ok(past @ ..0) => Some(SystemTime::now() - Duration::from_millis(past.unsigned_abs())),
        Ok(lifetime) => Some(SystemTime::now() + Duration::from_millis(lifetime as u64)),
        Err(_) => None,
    };
    Ok((user, expires_at))
}

async fn open() -> Vault {
    with(|limits| limits.auth_rate(1000, 1000)).await
}

async fn with(change: impl FnOnce(Limits) -> Limits) -> Vault {
    let limits = change(Limits::default());
    Vault::build(|builder| builder.limits(limits).authenticate(user_of)).await
}

fn without_user(vault: &Vault) -> Client<Person> {
    Client::connect(&vault.live, Handshake::without_user())
}

fn auth(token: &str) -> Value {
    json!({"type": "auth", "id": "auth", "token": token})
}

fn owner(id: i32, person: &Person) -> Value {
    subscribe(id, "vault.Secret", json!({ "owner": person.name }))
}

async fn expect_authenticated(client: &mut Client<Person>, token: &str) -> Value {
    client.send_json(auth(token)).await;
    let answer = client.receive_json().await;
    assert_eq!(
        (&answer["type"], &answer["id"]),
        (&json!("authenticated"), &json!("auth")),
        "{answer}"
    );
    answer
}

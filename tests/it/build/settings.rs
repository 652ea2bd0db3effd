//! Settings other than the registry, and where `build()` is called.

use rest_live::{BuildError, Live};

use crate::support::{App, database};

#[tokio::test]
async fn bad_origin_and_limit_without_user_key_are_errors() {
    let (db, _database) = database().await;
    let origins = Live::<()>::builder(db.clone()).allowed_origins(["example.com"]);
    assert!(
        matches!(origins.build(), Err(BuildError::Origin { entry, .. }) if entry == "example.com")
    );
    let limits = rest_live::Limits::default().max_connections_per_user(1);
    let error = Live::<()>::builder(db)
        .limits(limits)
        .build()
        .expect_err("no user key is set");
    assert!(error.to_string().contains(".user_key("), "{error}");
}

#[test]
fn building_outside_a_runtime_is_an_error() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (db, _database) = runtime.block_on(database());
    assert!(matches!(
        Live::<()>::builder(db).build(),
        Err(BuildError::NoRuntime)
    ));
}

#[tokio::test]
async fn two_lives_in_one_process_are_independent() {
    let (one, other) = (App::start().await, App::start().await);
    let mut client = other.client().await;
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    one.insert_task(1, "elsewhere", 1).await;
    other.assert_silent(&mut client).await;
}

//! Permissions: the type of the users, groups without one, and values of another type.

use rest_live::{BuildError, Live, RegistryError};

use super::{Guard, HalfOpen, Misread, OpenToAll, Public, Secret, WrongTuple, registry_errors};
use crate::{entities::task::TaskSerializer, support::database};

#[tokio::test]
async fn permission_of_another_user_type_is_an_error() {
    let errors = registry_errors(|b| b.register::<Secret>()).await;
    assert!(
        matches!(
            errors[..],
            [RegistryError::UserType {
                argument: "check_permission",
                ..
            }]
        ),
        "{errors:?}"
    );
    let errors = registry_errors(|b| b.register::<Public>()).await;
    assert!(
        matches!(
            errors[..],
            [RegistryError::UserType {
                argument: "authorize",
                ..
            }]
        ),
        "{errors:?}"
    );
    assert!(
        errors[0]
            .to_string()
            .contains("Live::<it::build::Guard>::builder"),
        "{}",
        errors[0]
    );

    let (db, _database) = database().await;
    let live = Live::<Guard>::builder(db).discover(false);
    live.register::<Secret>()
        .register::<Public>()
        .build()
        .unwrap();
}

async fn guard_registry_errors(
    build: impl FnOnce(rest_live::LiveBuilder<Guard>) -> rest_live::LiveBuilder<Guard>,
) -> Vec<RegistryError> {
    let (db, _database) = database().await;
    match build(Live::<Guard>::builder(db).discover(false)).build() {
        Err(BuildError::Registry(errors)) => errors,
        other => panic!("expected registry errors, got {other:?}"),
    }
}

#[tokio::test]
async fn half_guarded_model_is_an_error() {
    let errors = guard_registry_errors(|b| b.register::<HalfOpen>()).await;
    assert!(
        matches!(
            &errors[..],
            [RegistryError::HalfGuarded { group_key, .. }] if group_key == "pk"
        ),
        "{errors:?}"
    );
    // The same with another serializer, because it sends the same rows.
    let errors =
        guard_registry_errors(|b| b.register::<Misread>().register::<TaskSerializer>()).await;
    assert!(
        errors
            .iter()
            .any(|error| matches!(error, RegistryError::HalfGuarded { .. })),
        "{errors:?}"
    );
}

#[tokio::test]
async fn authorize_of_another_value_type_is_an_error() {
    let errors = guard_registry_errors(|b| b.register::<Misread>()).await;
    assert!(
        matches!(
            &errors[..],
            [RegistryError::AuthorizeValue { group_key, takes: "i32", .. }] if group_key == "text"
        ),
        "{errors:?}"
    );
}

#[tokio::test]
async fn open_group_of_all_rows_is_an_error() {
    let errors = guard_registry_errors(|b| b.register::<OpenToAll>()).await;
    assert!(
        matches!(&errors[..], [RegistryError::HalfGuarded { group_key, .. }] if group_key == "all"),
        "{errors:?}"
    );
}

#[tokio::test]
async fn authorize_takes_what_the_group_has() {
    let errors = guard_registry_errors(|b| b.register::<WrongTuple>()).await;
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    for (text, part) in texts.iter().zip([
        "the value of `[list_id, text]` as `i32`, but the value is a tuple of (an integer from -2147483648 to 2147483647, a string)",
        "the value of `all` as `i32`, but the value is ()",
    ]) {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(texts.len(), 2, "{texts:?}");
}

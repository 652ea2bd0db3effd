//! Secret columns: which ones a serializer cannot declare.

use rest_live::{Live, RegistryError};

use super::{ByPin, ByPinAndId, Discreet, Keyless, Levelled, registry_errors};
use crate::support::database;

/// A server that reads the row from the log needs a value in place of the secret.
#[tokio::test]
async fn secret_without_a_default_is_an_error() {
    let errors = registry_errors(|b| b.register::<Levelled>()).await;
    let [RegistryError::NoBlank { column, serializer }] = &errors[..] else {
        panic!("{errors:?}")
    };
    assert_eq!(
        (*column, serializer.as_str()),
        ("level", "it::build::Levelled")
    );

    let (db, _database) = database().await;
    let live = Live::<()>::builder(db).discover(false);
    live.register::<Discreet>().build().unwrap();
}

#[tokio::test]
async fn secret_key_column_is_an_error() {
    let errors = registry_errors(|b| b.register::<Keyless>()).await;
    assert!(
        matches!(errors[..], [RegistryError::SecretKey { column: "id", .. }]),
        "{errors:?}"
    );
    // A secret of one serializer is a secret of the model, also for a serializer that groups by it.
    for errors in [
        registry_errors(|b| b.register::<Discreet>().register::<ByPin>()).await,
        registry_errors(|b| b.register::<ByPin>().register::<Discreet>()).await,
    ] {
        assert!(
            matches!(errors[..], [RegistryError::SecretKey { column: "pin", .. }]),
            "{errors:?}"
        );
    }
    let errors = registry_errors(|b| b.register::<ByPinAndId>()).await;
    assert!(
        matches!(errors[..], [RegistryError::SecretKey { column: "pin", .. }]),
        "{errors:?}"
    );
}

//! The registry: models, labels, ranks and keys that do not fit together.

use rest_live::{Live, RegistryError};

use super::{
    ByDoneAndList, ByListAndDone, CalledTask, OfHash, OtherName, SecondTask, registry_errors,
};
use crate::{
    entities::{article::ArticleSerializer, task::TaskSerializer},
    support::database,
};

#[tokio::test]
async fn an_empty_registry_is_an_error() {
    assert!(matches!(
        registry_errors(|b| b).await[..],
        [RegistryError::Empty]
    ));
}

#[tokio::test]
async fn two_models_with_one_label_are_an_error() {
    let errors = registry_errors(|b| b.register::<TaskSerializer>().register::<CalledTask>()).await;
    let [
        RegistryError::TwoModels {
            label,
            first,
            second,
        },
    ] = &errors[..]
    else {
        panic!("{errors:?}")
    };
    assert_eq!(
        (label.as_str(), first.as_str(), second.as_str()),
        (
            "todolist.Task",
            "it::build::CalledTask",
            "it::entities::task::TaskSerializer"
        )
    );
}

#[tokio::test]
async fn a_model_with_two_labels_is_an_error() {
    let errors = registry_errors(|b| b.register::<TaskSerializer>().register::<OtherName>()).await;
    assert!(
        matches!(errors[..], [RegistryError::TwoLabels { .. }]),
        "{errors:?}"
    );
}

#[tokio::test]
async fn two_serializers_of_one_group_need_ranks() {
    let errors = registry_errors(|b| b.register::<TaskSerializer>().register::<SecondTask>()).await;
    assert!(
        matches!(
            &errors[..],
            [RegistryError::DuplicateGroupKey { group_key, .. }] if group_key == "pk"
        ),
        "{errors:?}"
    );
}

/// This holds even if no client subscribes by key: every event of a model needs an address.
#[tokio::test]
async fn unsupported_primary_key_is_an_error() {
    let errors = registry_errors(|b| b.register::<OfHash>()).await;
    assert!(
        matches!(
            &errors[..],
            [RegistryError::NotAKey { group_key, .. }] if group_key == "pk"
        ),
        "{errors:?}"
    );
}

#[tokio::test]
async fn registering_a_linked_serializer_changes_nothing() {
    let (db, _database) = database().await;
    Live::<()>::builder(db)
        .register::<TaskSerializer>()
        .register::<ArticleSerializer>()
        .register::<TaskSerializer>()
        .build()
        .unwrap();
}

/// The names of the keys have one order in messages.
#[tokio::test]
async fn one_set_in_two_orders_is_an_error() {
    let errors =
        registry_errors(|b| b.register::<ByListAndDone>().register::<ByDoneAndList>()).await;
    let [error @ RegistryError::GroupKeyOrder { columns, .. }] = &errors[..] else {
        panic!("{errors:?}")
    };
    assert_eq!(columns, &["done", "list_id"]);
    let text = error.to_string();
    for part in [
        "it::build::ByDoneAndList and it::build::ByListAndDone",
        r#"write group_key = ["done", "list_id"] in both"#,
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

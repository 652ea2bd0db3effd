//! What `build()` checks: every mistake in what is registered, all at once.

use rest_live::{
    __private::{Authorization, GroupDeclaration, Permission},
    BuildError, Live, RegistryError,
};
use sea_orm::{ActiveValue::Set, entity::prelude::*};
use serde::Serialize;

use crate::{
    entities::{article::ArticleSerializer, seat, task::TaskSerializer},
    support::{App, Log, database, task},
};

/// A second model that is called as the task is; in no registry but of this file's tests, since it
/// would break those of all others.
mod impostor {
    use super::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "impostor")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub weight: f64,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {}
}

/// A model whose primary key is no key of the wire.
mod blob {
    use super::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "blob")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
        pub owner: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {}
}

/// A model with a column of a type that has no default.
mod badge {
    use super::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "badge_of_one")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub pin: String,
        pub level: Level,
        pub former: Option<Level>,
    }

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "i32", db_type = "Integer")]
    pub enum Level {
        #[sea_orm(num_value = 1)]
        Low,
        #[sea_orm(num_value = 2)]
        High,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {}
}

/// Declares a serializer without linking its registration in: what `#[subscribable]` writes, by hand.
macro_rules! unlinked {
    ($name:ident, $entity:ty, model: $model:expr, rank: $rank:expr, check_permission: $check:expr, groups: $groups:expr $(, secret: $secret:expr)?) => {
        #[derive(Serialize)]
        struct $name {}

        impl rest_live::Subscribable for $name {
            type Entity = $entity;
            const DECLARATION: rest_live::__private::Declaration<<$entity as EntityTrait>::Column> =
                rest_live::__private::Declaration {
                    serializer: stringify!($name),
                    module: module_path!(),
                    model: $model,
                    rank: $rank,
                    check_permission: $check,
                    secret: unlinked!(@ $($secret)?),
                    groups: $groups,
                };
            fn from_row(_: &<$entity as EntityTrait>::Model) -> Self {
                Self {}
            }
        }
    };
    (@) => { &[] };
    (@ $secret:expr) => { $secret };
}

const fn by<C>(group_key: Option<(&'static str, C)>) -> GroupDeclaration<C>
where
    C: Copy,
{
    GroupDeclaration {
        group_key,
        authorize: None,
        public: false,
    }
}

unlinked!(CalledTask, impostor::Entity, model: Some("todolist.Task"), rank: 0, check_permission: None, groups: &[by(None)]);
unlinked!(SecondTask, crate::entities::task::Entity, model: Some("todolist.Task"), rank: 0, check_permission: None, groups: &[by(None)]);
unlinked!(OtherName, crate::entities::task::Entity, model: Some("todolist.Chore"), rank: 1, check_permission: None, groups: &[by(None)]);
unlinked!(ByWeight, impostor::Entity, model: None, rank: 0, check_permission: None, groups: &[by(Some(("weight", impostor::Column::Weight)))]);
unlinked!(OfHash, blob::Entity, model: None, rank: 0, check_permission: None, groups: &[by(Some(("owner", blob::Column::Owner)))]);
unlinked!(Secret, impostor::Entity, model: Some("it.Secret"), rank: 0, check_permission: Some(|| Permission::of::<impostor::Model, Guard>(|_, _| true)), groups: &[by(None)]);
unlinked!(HalfOpen, crate::entities::task::Entity, model: None, rank: 2, check_permission: None, groups: &[
    GroupDeclaration { group_key: Some(("list_id", crate::entities::task::Column::ListId)), authorize: Some(guard), public: false },
    by(None),
]);
unlinked!(Public, crate::entities::task::Entity, model: None, rank: 2, check_permission: None, groups: &[
    GroupDeclaration { group_key: Some(("list_id", crate::entities::task::Column::ListId)), authorize: Some(guard), public: false },
    GroupDeclaration { group_key: None, authorize: None, public: true },
]);
unlinked!(Misread, crate::entities::task::Entity, model: Some("todolist.Task"), rank: 2, check_permission: None, groups: &[
    GroupDeclaration { group_key: Some(("text", crate::entities::task::Column::Text)), authorize: Some(guard), public: false },
]);
unlinked!(Discreet, badge::Entity, model: None, rank: 0, check_permission: None, groups: &[by(None)], secret: &[badge::Column::Pin, badge::Column::Former]);
unlinked!(Levelled, badge::Entity, model: None, rank: 0, check_permission: None, groups: &[by(None)], secret: &[badge::Column::Pin, badge::Column::Level]);
unlinked!(Keyless, badge::Entity, model: None, rank: 0, check_permission: None, groups: &[by(None)], secret: &[badge::Column::Id]);
unlinked!(ByPin, badge::Entity, model: None, rank: 0, check_permission: None, groups: &[by(Some(("pin", badge::Column::Pin)))]);

/// A type of users.
struct Guard;

/// May everybody subscribe to a group whose value is an `i32`?
fn guard() -> Authorization {
    Authorization::of(&(), |_: &Guard, _: i32, _| Box::pin(async { true }))
}

async fn mistakes(
    build: impl FnOnce(rest_live::LiveBuilder) -> rest_live::LiveBuilder,
) -> Vec<RegistryError> {
    let (db, _database) = database().await;
    match build(Live::<()>::builder(db).discover(false)).build() {
        Err(BuildError::Registry(errors)) => errors,
        other => panic!("mistakes were expected, {other:?} came"),
    }
}

#[tokio::test]
async fn an_empty_registry_is_an_error() {
    assert!(matches!(mistakes(|b| b).await[..], [RegistryError::Empty]));
}

#[tokio::test]
async fn two_models_with_one_label_are_an_error() {
    let errors = mistakes(|b| b.register::<TaskSerializer>().register::<CalledTask>()).await;
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
    let errors = mistakes(|b| b.register::<TaskSerializer>().register::<OtherName>()).await;
    assert!(
        matches!(errors[..], [RegistryError::TwoLabels { .. }]),
        "{errors:?}"
    );
}

#[tokio::test]
async fn two_serializers_of_one_group_need_ranks() {
    let errors = mistakes(|b| b.register::<TaskSerializer>().register::<SecondTask>()).await;
    assert!(
        matches!(
            errors[..],
            [RegistryError::DuplicateGroupKey {
                group_key: "pk",
                ..
            }]
        ),
        "{errors:?}"
    );
}

/// Also where nobody subscribes by it: without one, no event of the model has an address.
#[tokio::test]
async fn a_primary_key_that_is_no_key_is_an_error() {
    let errors = mistakes(|b| b.register::<OfHash>()).await;
    assert!(
        matches!(
            errors[..],
            [RegistryError::NotAKey {
                group_key: "pk",
                ..
            }]
        ),
        "{errors:?}"
    );
}

#[tokio::test]
async fn a_permission_of_other_users_is_an_error() {
    let errors = mistakes(|b| b.register::<Secret>()).await;
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
    let errors = mistakes(|b| b.register::<Public>()).await;
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
            .contains("Live::<it::build::Guard>::builder(..)"),
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

async fn mistakes_of_guards(
    build: impl FnOnce(rest_live::LiveBuilder<Guard>) -> rest_live::LiveBuilder<Guard>,
) -> Vec<RegistryError> {
    let (db, _database) = database().await;
    match build(Live::<Guard>::builder(db).discover(false)).build() {
        Err(BuildError::Registry(errors)) => errors,
        other => panic!("mistakes were expected, {other:?} came"),
    }
}

#[tokio::test]
async fn a_model_is_never_half_guarded() {
    let errors = mistakes_of_guards(|b| b.register::<HalfOpen>()).await;
    assert!(
        matches!(
            errors[..],
            [RegistryError::HalfGuarded {
                group_key: "pk",
                ..
            }]
        ),
        "{errors:?}"
    );
    // Nor by another serializer: it shows the same rows.
    let errors = mistakes_of_guards(|b| b.register::<Misread>().register::<TaskSerializer>()).await;
    assert!(
        errors
            .iter()
            .any(|error| matches!(error, RegistryError::HalfGuarded { .. })),
        "{errors:?}"
    );
}

#[tokio::test]
async fn an_authorize_that_cannot_take_the_value_is_an_error() {
    let errors = mistakes_of_guards(|b| b.register::<Misread>()).await;
    assert!(
        matches!(
            errors[..],
            [RegistryError::AuthorizeValue {
                group_key: "text",
                takes: "i32",
                ..
            }]
        ),
        "{errors:?}"
    );
}

/// Where another server reads the row, something must stand in its place.
#[tokio::test]
async fn a_secret_without_a_blank_is_an_error() {
    let errors = mistakes(|b| b.register::<Levelled>()).await;
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
async fn a_secret_that_rows_are_found_by_is_an_error() {
    let errors = mistakes(|b| b.register::<Keyless>()).await;
    assert!(
        matches!(errors[..], [RegistryError::SecretKey { column: "id", .. }]),
        "{errors:?}"
    );
    // A secret of one serializer is one of the model; another may be subscribed to by it.
    for errors in [
        mistakes(|b| b.register::<Discreet>().register::<ByPin>()).await,
        mistakes(|b| b.register::<ByPin>().register::<Discreet>()).await,
    ] {
        assert!(
            matches!(errors[..], [RegistryError::SecretKey { column: "pin", .. }]),
            "{errors:?}"
        );
    }
}

#[tokio::test]
async fn what_is_no_origin_and_a_limit_that_cannot_be_counted_are_errors() {
    let (db, _database) = database().await;
    let origins = Live::<()>::builder(db.clone()).allowed_origins(["example.com"]);
    assert!(matches!(origins.build(), Err(BuildError::Origin(text)) if text == "example.com"));
    let limits = rest_live::Limits::default().max_connections_per_user(1);
    let error = Live::<()>::builder(db)
        .limits(limits)
        .build()
        .expect_err("nobody says who is who");
    assert!(error.to_string().contains(".user_key("), "{error}");
}

#[tokio::test]
async fn all_mistakes_are_reported_at_once_and_say_what_to_do() {
    let (db, _database) = database().await;
    let builder = Live::<()>::builder(db)
        .discover(false)
        .register::<TaskSerializer>()
        .register::<SecondTask>()
        .register::<ByWeight>();
    let report = builder.build().expect_err("mistakes").to_string();
    assert_eq!(report.lines().count(), 3, "{report}");
    for part in [
        "give one of them a higher rank",
        "cannot be subscribed to by `weight`",
        "it::build::SecondTask",
    ] {
        assert!(report.contains(part), "{part} is not in: {report}");
    }
}

#[tokio::test]
async fn registering_what_is_linked_in_changes_nothing() {
    let (db, _database) = database().await;
    Live::<()>::builder(db)
        .register::<TaskSerializer>()
        .register::<ArticleSerializer>()
        .register::<TaskSerializer>()
        .build()
        .unwrap();
}

/// Its crate may not be linked in: nothing else would say so.
#[tokio::test]
async fn a_write_of_a_model_without_a_serializer_is_warned_of() {
    let (db, _database) = database().await;
    let live = Live::<()>::builder(db)
        .discover(false)
        .register::<TaskSerializer>()
        .build()
        .unwrap();
    let log = Log::start();
    task(1, "known", 1).insert(&live.db()).await.unwrap();
    let seat = || seat::ActiveModel {
        hall: Set("red".to_owned()),
        number: Set(1),
        guest: Set(None),
    };
    seat().insert(&live.db()).await.unwrap();
    seat().delete(&live.db()).await.unwrap();
    let log = log.end();
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(
        log.contains("table=\"seat\"") && log.contains("register::<TheSerializer>()"),
        "{log}"
    );
}

/// `fn main() -> Result<..>` prints it with `Debug`.
#[tokio::test]
async fn the_report_is_the_same_however_it_is_printed() {
    let (db, _database) = database().await;
    let error = Live::<()>::builder(db)
        .discover(false)
        .build()
        .expect_err("nothing is registered");
    assert_eq!(format!("{error:?}"), error.to_string());
    assert!(error.to_string().contains("no serializer is registered"));
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
async fn two_lives_in_one_process_do_not_hear_each_other() {
    let (one, other) = (App::start().await, App::start().await);
    let mut client = other.client().await;
    client
        .subscribe(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    one.insert_task(1, "elsewhere", 1).await;
    other.assert_silent(&mut client).await;
}

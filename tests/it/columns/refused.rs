//! Columns that only a log in memory can carry: `build()` names them if the log is shared.

use rest_live::{BuildError, Live, RegistryError, log::MemoryLog};
use sea_orm::{
    ColIdx, QueryResult, TryGetError, TryGetable, Value,
    entity::prelude::*,
    sea_query::{ArrayType, Nullable, ValueType, ValueTypeErr},
};

use crate::support::{SharedLog, database};

/// A type of the application whose `array_type` panics, as that of pgvector does.
#[derive(Clone, Debug, PartialEq, Eq, Default, serde::Serialize)]
pub struct Nameless(i32);

/// A type of the application that changes when it is read.
#[derive(Clone, Debug, PartialEq, Eq, Default, serde::Serialize)]
pub struct Lossy(i32);

macro_rules! application_type {
    ($name:ident, array_type: $array_type:expr, read: $read:expr) => {
        impl From<$name> for Value {
            fn from(value: $name) -> Self {
                value.0.into()
            }
        }

        impl TryGetable for $name {
            fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
                i32::try_get_by(row, index).map($read)
            }
        }

        impl ValueType for $name {
            fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
                <i32 as ValueType>::try_from(value).map($read)
            }

            fn type_name() -> String {
                stringify!($name).to_owned()
            }

            fn array_type() -> ArrayType {
                $array_type
            }

            fn column_type() -> ColumnType {
                ColumnType::Integer
            }
        }

        impl Nullable for $name {
            fn null() -> Value {
                Value::Int(None)
            }
        }
    };
}
application_type!(Nameless, array_type: unimplemented!("no array"), read: Nameless);
application_type!(Lossy, array_type: ArrayType::Int, read: |number| Lossy(number + 1));

mod sample {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, DeriveEntityModel)]
    #[sea_orm(table_name = "sample")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub nameless: Nameless,
        pub lossy: Option<Lossy>,
        pub fine: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

super::serializer!(SampleSerializer, "it.Refused", sample);

#[tokio::test]
async fn a_shared_log_refuses_them_by_name() {
    let (db, _database) = database().await;
    let builder = || {
        Live::<()>::builder(db.clone())
            .discover(false)
            .register::<SampleSerializer>()
    };
    builder().log(MemoryLog::default()).build().unwrap();
    let Err(BuildError::Registry(errors)) = builder().log(SharedLog::new()).build() else {
        panic!("expected an error")
    };
    let mut refused = Vec::new();
    for error in &errors {
        let RegistryError::SharedLogColumn { label, column, why } = error else {
            panic!("{error}")
        };
        assert_eq!(label, "it.Refused");
        let text = error.to_string();
        assert!(
            text.contains(&format!("`{column}` of `it.Refused`")),
            "{text}"
        );
        refused.push((column.as_str(), *why));
    }
    assert_eq!(
        refused,
        [
            ("nameless", "`ValueType::array_type` of its type panicked"),
            (
                "lossy",
                "a value of its type changes when it is encoded and decoded"
            ),
        ]
    );
}

//! One table as three models: without rest-live, with a serializer that shows the text, and with
//! one that does not.

macro_rules! model {
    ($name:ident, $($own:item)*) => {
        pub mod $name {
            use sea_orm::{ActiveValue::Set, entity::prelude::*};

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = "document")]
            pub struct Model {
                #[sea_orm(primary_key)]
                pub id: i32,
                pub title: String,
                pub text: String,
            }

            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            $($own)*

            /// Updates the title of the row.
            pub async fn update(db: &impl ConnectionTrait, n: usize) -> Result<(), DbErr> {
                let changed = ActiveModel {
                    id: Set(1),
                    title: Set(format!("version {n}")),
                    ..Default::default()
                };
                changed.update(db).await.map(drop)
            }
        }
    };
}

model! { plain,
    impl ActiveModelBehavior for ActiveModel {}

    /// Inserts the row.
    pub async fn insert(db: &DatabaseConnection, text_bytes: usize) -> Result<(), DbErr> {
        let row = ActiveModel {
            id: Set(1),
            title: Set("version 0".to_owned()),
            text: Set("x".repeat(text_bytes)),
        };
        row.insert(db).await.map(drop)
    }
}

model! { unshown,
    #[rest_live::subscribable(model = "bench.Unshown", entity = Entity)]
    #[derive(serde::Serialize)]
    pub struct Title {
        id: i32,
        title: String,
    }
}

model! { shown,
    #[rest_live::subscribable(model = "bench.Shown", entity = Entity)]
    #[derive(serde::Serialize)]
    pub struct Document {
        id: i32,
        title: String,
        text: String,
    }
}

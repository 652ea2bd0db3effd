use super::{heap::heap_bytes, *};

mod document {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "document")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) list: String,
        pub(crate) title: String,
        #[sea_orm(column_name = "the text", enum_name = "Contents")]
        pub(crate) body_text: String,
        #[sea_orm(column_type = "Text", nullable)]
        pub(crate) draft: Option<String>,
        pub(crate) bytes: Vec<u8>,
        pub(crate) meta: Json,
        pub(crate) kind: Kind,
        pub(crate) likes: i64,
    }

    #[derive(Clone, Debug, PartialEq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Text")]
    pub(crate) enum Kind {
        #[sea_orm(string_value = "a")]
        A,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

mod numbers {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "numbers")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) state: Option<i64>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use document::Model;

const FIELDS: &[ShownField<Model>] = &[
    ShownField {
        name: "title",
        heap_bytes: |row| heap_bytes(&row.title),
    },
    ShownField {
        name: "id",
        heap_bytes: |row| heap_bytes(&row.id),
    },
];

const TEXT: &[ShownField<Model>] = &[ShownField {
    name: "body_text",
    heap_bytes: |row| heap_bytes(&row.body_text),
}];

const UNKNOWN: &[ShownField<Model>] = &[ShownField {
    name: "of_another_name",
    heap_bytes: |_| None,
}];

fn columns(shown: Option<&[&'static [ShownField<Model>]]>) -> EntityColumns<document::Entity> {
    let mut columns = EntityColumns::new();
    let erase = |fields: &&'static [ShownField<Model>]| Arc::new(*fields) as ShownFields;
    columns.restrict(&ColumnUses {
        shown: shown.unwrap_or_default().iter().map(erase).collect(),
        reads_all: shown.is_none(),
        keys: vec!["id", "list"],
    });
    columns
}

fn document(text: &str) -> Model {
    Model {
        id: 1,
        list: "list".to_owned(),
        title: "title".to_owned(),
        body_text: text.to_owned(),
        draft: Some(text.to_owned()),
        bytes: text.as_bytes().to_vec(),
        meta: serde_json::json!({ "key": text }),
        kind: document::Kind::A,
        likes: 7,
    }
}

#[test]
fn columns_that_nothing_reads_are_unused() {
    // A text-backed enumeration has no default.
    let unused = ["the text", "draft", "bytes", "meta"];
    assert_eq!(columns(Some(&[FIELDS])).unused(), unused);
    assert_eq!(columns(Some(&[FIELDS, TEXT])).unused(), unused[1..]);
    assert_eq!(
        columns(Some(&[FIELDS])).constant_of(document::Column::Contents),
        Some("''")
    );
    assert_eq!(
        columns(Some(&[FIELDS])).constant_of(document::Column::Draft),
        Some("NULL")
    );
}

#[test]
fn all_are_kept_if_it_is_unknown_what_is_read() {
    let none: [&str; 0] = [];
    assert_eq!(columns(None).unused(), none);
    assert_eq!(columns(Some(&[FIELDS, UNKNOWN])).unused(), none);
    let mut columns = EntityColumns::<document::Entity>::new();
    let other: &'static [ShownField<numbers::Model>] = &[];
    columns.restrict(&ColumnUses {
        shown: vec![Arc::new(other)],
        reads_all: false,
        keys: Vec::new(),
    });
    assert_eq!(columns.unused(), none, "the fields are of another model");
}

#[test]
fn unused_columns_are_blank_and_count_nothing() {
    let text = "x".repeat(1000);
    let row = columns(Some(&[FIELDS])).take(document(&text));
    let kept = row.downcast::<Model>().expect("a document");
    let blank = Model {
        body_text: String::new(),
        draft: None,
        bytes: Vec::new(),
        meta: serde_json::Value::Null,
        ..document("")
    };
    assert_eq!(*kept, blank);
    let texts = "list".len() + "title".len() + "a".len();
    assert_eq!(row.bytes(), size_of::<Model>() + texts);
}

#[test]
fn kept_columns_are_measured() {
    let bytes_of = |shown, letters: usize| {
        let row = columns(shown).take(document(&"x".repeat(letters)));
        row.bytes()
    };
    // In place, because a serializer shows the text.
    let shown: Option<&[&'static [ShownField<Model>]]> = Some(&[FIELDS, TEXT]);
    assert_eq!(bytes_of(shown, 1000) - bytes_of(shown, 0), 1000);
    // The text, the draft, the bytes and the text in the JSON.
    assert_eq!(bytes_of(None, 1000) - bytes_of(None, 0), 4000);
}

#[test]
fn numbers_need_no_measurement() {
    let columns = EntityColumns::<numbers::Entity>::new();
    assert!(columns.measured.is_empty());
    let row = columns.take(numbers::Model { id: 1, state: None });
    assert_eq!(row.bytes(), size_of::<numbers::Model>());
}

#[test]
fn heap_of_known_types_is_measured_in_place() {
    assert_eq!(heap_bytes(&"four".to_owned()), Some(4));
    assert_eq!(heap_bytes(&Some("four".to_owned())), Some(4));
    assert_eq!(heap_bytes(&None::<String>), Some(0));
    assert_eq!(heap_bytes(&vec![1_i64, 2]), Some(16));
    assert_eq!(heap_bytes(&7), None);
}

mod labeled {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "labeled")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        #[sea_orm(column_type = "custom(\"citext\")", select_as = "text")]
        pub(crate) label: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

#[test]
fn column_with_a_cast_keeps_its_name() {
    let mut columns = EntityColumns::<labeled::Entity>::new();
    columns.restrict(&ColumnUses {
        shown: Vec::new(),
        reads_all: false,
        keys: vec!["id"],
    });
    for (backend, expression, constant) in [
        (
            DbBackend::Postgres,
            r#"CAST("label" AS text)"#,
            r#"'' AS "label""#,
        ),
        (
            DbBackend::Sqlite,
            r#"CAST("label" AS text) AS "label""#,
            r#"'' AS "label""#,
        ),
        (
            DbBackend::MySql,
            "CAST(`label` AS text) AS `label`",
            "'' AS `label`",
        ),
    ] {
        let returned = columns.returned(backend).pop().expect("the column");
        assert_eq!(returned.expression, expression);
        assert_eq!(returned.constant.as_deref(), Some(constant));
    }
}

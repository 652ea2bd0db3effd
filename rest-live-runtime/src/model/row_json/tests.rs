use sea_orm::prelude::{Json, Uuid};

use super::*;

mod thing {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "thing")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i64,
        pub(crate) small: i16,
        pub(crate) unsigned: u64,
        pub(crate) text: String,
        pub(crate) nothing: Option<String>,
        pub(crate) real: f64,
        pub(crate) single: f32,
        pub(crate) flag: bool,
        pub(crate) bytes: Vec<u8>,
        pub(crate) json: Json,
        pub(crate) uuid: Uuid,
        pub(crate) kind: Kind,
        pub(crate) level: Option<Level>,
        #[sea_orm(column_name = "the \"hash\"")]
        pub(crate) secret: String,
        #[sea_orm(ignore)]
        pub(crate) computed: u8,
    }

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Enum", enum_name = "kind")]
    pub(crate) enum Kind {
        #[sea_orm(string_value = "one")]
        One,
        #[sea_orm(string_value = "two")]
        Two,
    }

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "i32", db_type = "Integer")]
    pub(crate) enum Level {
        #[sea_orm(num_value = 3)]
        Three,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

fn thing() -> thing::Model {
    thing::Model {
        id: i64::MIN,
        small: -7,
        unsigned: u64::MAX,
        text: "\"Grüße\"\n\u{2028}".to_owned(),
        nothing: None,
        real: 0.1 + 0.2,
        single: 0.1,
        flag: true,
        bytes: vec![0, 255, 16],
        json: serde_json::json!({"a": [1, null]}),
        uuid: Uuid::from_u128(7),
        kind: thing::Kind::Two,
        level: Some(thing::Level::Three),
        secret: "s3cr3t".to_owned(),
        computed: 0,
    }
}

const SECRET: &str = "the \"hash\"";

fn codec() -> RowCodec {
    RowCodec::of::<thing::Entity>()
}

fn round_trip(model: thing::Model, secret: &[&str]) -> (String, thing::Model) {
    let text = codec().encode(&Row::new(model), secret).expect("encoded");
    let row = codec()
        .decode(&text, secret, EncodedBy::Server)
        .expect("decoded");
    let model = row.downcast::<thing::Model>().expect("a thing").clone();
    (text.get().to_owned(), model)
}

#[test]
fn a_row_survives_a_round_trip() {
    let (text, model) = round_trip(thing(), &[]);
    assert_eq!(model, thing());
    assert!(
        text.starts_with(r#"{"id":-9223372036854775808,"small":-7,"#),
        "{text}"
    );
    assert!(text.contains(r#""bytes":"\\x00ff10""#), "{text}");
    let other = thing::Model {
        real: f64::NEG_INFINITY,
        single: f32::INFINITY,
        json: Json::Null,
        level: None,
        bytes: Vec::new(),
        nothing: Some(String::new()),
        ..thing()
    };
    assert_eq!(round_trip(other.clone(), &[]).1, other);
    let not_a_number = thing::Model {
        real: f64::NAN,
        ..thing()
    };
    assert!(round_trip(not_a_number, &[]).1.real.is_nan());
}

#[test]
fn a_secret_column_is_replaced_by_its_default() {
    let (text, model) = round_trip(thing(), &[SECRET]);
    assert!(!text.contains("s3cr3t") && !text.contains("hash"), "{text}");
    let expected = thing::Model {
        secret: String::new(),
        ..thing()
    };
    assert_eq!(model, expected);
    assert!(codec().has_default(SECRET));
    assert!(
        !codec().has_default("kind"),
        "an enumeration has no default"
    );
    // Also if another program, such as a trigger, has written the column.
    let whole = codec().encode(&Row::new(thing()), &[]).expect("encoded");
    let row = codec()
        .decode(&whole, &[SECRET], EncodedBy::Trigger)
        .expect("decoded");
    assert_eq!(row.downcast::<thing::Model>(), Some(&expected));
}

#[test]
fn an_error_names_the_column_but_not_its_value() {
    let (text, _) = round_trip(thing(), &[]);
    for (from, to, column) in [
        (r#""small":-7"#, r#""small":70000"#, "small"),
        (r#""small":-7"#, r#""little":-7"#, "small"),
        (r#""flag":true"#, r#""flag":null"#, "flag"),
        (r#""kind":"two""#, r#""kind":"three""#, "kind"),
        (r#""bytes":"\\x00ff10""#, r#""bytes":"00ff1""#, "bytes"),
    ] {
        let wrong = text.replace(from, to);
        assert_ne!(wrong, text, "{from}");
        let wrong = RawValue::from_string(wrong).expect("JSON");
        let error = codec()
            .decode(&wrong, &[], EncodedBy::Server)
            .expect_err(to);
        assert_eq!(error.column, column);
        assert!(!error.to_string().contains("s3cr3t"));
    }
    let array = RawValue::from_string("[]".to_owned()).expect("JSON");
    assert!(codec().decode(&array, &[], EncodedBy::Server).is_err());
}

/// These numbers are not the nearest ones that `serde_json` finds for their text.
#[test]
fn a_number_is_not_rounded_to_its_neighbor() {
    for bits in 0x3f50_1234_5678_9abc_u64..0x3f50_1234_5678_9abc + 2_000 {
        let real = f64::from_bits(bits);
        let single = f32::from_bits(u32::try_from(bits & 0xffff_ffff).expect("32 bits"));
        let expected = thing::Model {
            real,
            single,
            json: serde_json::json!({"a": [real, {"b\"": -real}], "c": 1}),
            ..thing()
        };
        let (_, model) = round_trip(expected.clone(), &[]);
        assert_eq!(model.real.to_bits(), bits);
        assert_eq!(model.single.to_bits(), single.to_bits());
        assert_eq!(model.json.to_string(), expected.json.to_string());
    }
}

#[test]
fn every_column_survives_the_check() {
    assert_eq!(codec().check(&[]), []);
}

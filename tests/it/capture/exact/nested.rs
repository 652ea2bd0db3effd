//! SeaORM's nested models: one save or delete writes rows of several tables.

use sea_orm::{ActiveHasMany, ActiveValue::Set, EntityTrait, TransactionTrait};

use super::{
    entities::{author, book, book_tag, tag},
    fixture::{Fixture, NOTHING},
};
use crate::support::Engine;

pub async fn relations_are_sent_row_by_row(engine: Engine) {
    let mut fixture = Fixture::fresh(engine).await;
    let db = fixture.live.db();

    let new = author::ActiveModel::builder()
        .set_id(1)
        .set_text("Ada")
        .add_book(book::ActiveModel::builder().set_id(1).set_text("notes"))
        .add_book(book::ActiveModel::builder().set_id(2).set_text("letters"));
    let saved = new.insert(&db).await.unwrap();
    assert_eq!(
        fixture.received().await,
        [
            "author 1 CREATED Ada",
            "books of 1 CREATED letters",
            "books of 1 CREATED notes"
        ],
        "{engine:?}"
    );
    assert_eq!(saved.books.len(), 2);

    // A new tag, and the row of the junction table.
    let tagged = book::ActiveModel::builder()
        .set_id(3)
        .set_text("poems")
        .set_author_id(1)
        .add_tag(tag::ActiveModel::builder().set_id(1).set_text("verse"));
    // The client is not subscribed to the junction rows of book 3, but to those of book 1.
    tagged.insert(&db).await.unwrap();
    assert_eq!(
        fixture.received().await,
        ["books of 1 CREATED poems", "tag 1 CREATED verse"],
        "{engine:?}"
    );
    let notes = book::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
    let verse = tag::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
    let mut notes: book::ActiveModelEx = notes.into_ex().into();
    notes.text = Set("annotations".to_owned());
    let notes = notes.add_tag(verse.into_ex());
    notes.save(&db).await.unwrap();
    assert_eq!(
        fixture.received().await,
        ["books of 1 UPDATED annotations", "tags of 1 CREATED -"],
        "{engine:?}"
    );

    // Replacing the tags by none deletes the junction rows.
    let notes = book::Entity::find_by_id(1).one(&db).await.unwrap().unwrap();
    let mut notes: book::ActiveModelEx = notes.into_ex().into();
    notes.tags = ActiveHasMany::Replace(Vec::new());
    notes.save(&db).await.unwrap();
    assert_eq!(
        fixture.received().await,
        ["tags of 1 DELETED -"],
        "{engine:?}"
    );

    // A rollback sends none of the changes.
    let transaction = db.begin().await.unwrap();
    let author = author::Entity::find_by_id(1)
        .one(&transaction)
        .await
        .unwrap()
        .unwrap();
    author.into_ex().delete(&transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(fixture.received().await, NOTHING, "{engine:?}");

    let author = author::Entity::find_by_id(1)
        .one(&db)
        .await
        .unwrap()
        .unwrap();
    author.cascade_delete(&db).await.unwrap();
    let received = fixture.received().await;
    let expected = [
        "author 1 DELETED Ada",
        "books of 1 DELETED annotations",
        "books of 1 DELETED letters",
        "books of 1 DELETED poems",
    ];
    assert_eq!(received, expected, "{engine:?}");
    let links = book_tag::Entity::find().all(&db).await.unwrap();
    assert!(links.is_empty(), "{links:?}");
}

//! An entity from another crate, which also has its hooks.

use rest_live::subscribable;
use rest_live_test_entities::article;
use serde::Serialize;

#[subscribable(entity = article::Entity, hooks = false)]
#[subscribable(group_key = "section")]
#[derive(Serialize)]
struct ArticleSerializer {
    id: i32,
    title: String,
}

fn main() {
    let article = ArticleSerializer::from(&article::Model {
        id: 1,
        title: "Tea".to_owned(),
        slug: "tea".to_owned(),
        section: "drinks".to_owned(),
    });
    assert_eq!((article.id, &*article.title), (1, "Tea"));
}

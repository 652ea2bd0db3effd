use rest_live::subscribable;
use rest_live_test_entities::article;
use serde::Serialize;

#[subscribable(entity = article::Entity)]
#[derive(Serialize)]
struct ArticleSerializer {
    id: i32,
}

fn main() {}

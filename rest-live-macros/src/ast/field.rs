//! One field of a serializer, with its value in the conversion from a model.

use syn::{Attribute, Field, Ident, ext::IdentExt, parse::ParseStream};

use super::sea_orm_attr;
use crate::text::to_text;

/// One field of the serializer struct.
pub(crate) struct SerializerField {
    pub(crate) ident: Ident,
    pub(crate) cfg: Vec<Attribute>,
    pub(crate) value: FieldValue,
}

/// The value of a field in the conversion.
pub(crate) enum FieldValue {
    /// The value of this field of the model.
    Column(Ident),
    /// The default of its type: `#[sea_orm(skip)]`.
    Default,
}

impl SerializerField {
    /// Reads a field and its `#[sea_orm(...)]` attributes. Adds every mistake to `errors`.
    pub(super) fn new(field: &Field, errors: &mut Vec<syn::Error>) -> Option<Self> {
        let ident = field.ident.clone()?;
        let mut value = FieldValue::Column(ident.clone());
        for meta in sea_orm_attr::parse_args(&field.attrs) {
            if meta.path().is_ident("skip") {
                value = FieldValue::Default;
            } else if let Some(column) = sea_orm_attr::string_value(&meta, "from_col") {
                match column.parse_with(parse_field_name) {
                    Ok(column) => value = FieldValue::Column(column),
                    Err(_) => errors.push(syn::Error::new_spanned(
                        &column,
                        "this is not a field of the model: write `from_col = \"title\"`",
                    )),
                }
            } else if meta.path().is_ident("nested") || meta.path().is_ident("from_expr") {
                errors.push(syn::Error::new_spanned(
                    meta.path(),
                    format!(
                        "`{}` needs a query, but a live payload is made from the row alone: write `from_model = false` in \
                         #[subscribable] and `impl From<&Model>` yourself, or move the field to another struct",
                        to_text(meta.path())
                    ),
                ));
            }
        }
        let cfg = field
            .attrs
            .iter()
            .filter(|a| a.path().is_ident("cfg"))
            .cloned()
            .collect();
        Some(Self { ident, cfg, value })
    }
}

/// Parses the name of a field. A keyword such as `type` means the raw field `r#type`.
fn parse_field_name(input: ParseStream<'_>) -> syn::Result<Ident> {
    if input.peek(Ident) {
        return input.parse();
    }
    let keyword = input.call(Ident::parse_any)?;
    syn::parse_str::<Ident>(&format!("r#{keyword}"))
        .map(|_| Ident::new_raw(&keyword.to_string(), keyword.span()))
}

#[cfg(test)]
mod tests {
    use syn::parse::Parser;

    use super::*;

    #[test]
    fn keyword_names_a_raw_field() {
        let named = |name| {
            parse_field_name
                .parse_str(name)
                .map(|ident| ident.to_string())
        };
        assert_eq!(named("title").ok().as_deref(), Some("title"));
        assert_eq!(named("type").ok().as_deref(), Some("r#type"));
        assert_eq!(named("r#type").ok().as_deref(), Some("r#type"));
        assert!(named("self").is_err());
        assert!(named("list-id").is_err());
    }
}

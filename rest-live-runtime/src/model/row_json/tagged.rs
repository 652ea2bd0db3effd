//! [`Tagged`]: a value in the form that SeaQuery deserializes.
//!
//! A `serde_json::Value` would do, but it has no NaN and no infinity.

use sea_orm::Value;
use serde::{
    Deserializer,
    de::{
        DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
        value::SeqDeserializer,
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Value as Json};

use super::WRONG_TYPE;

/// A tree of JSON, floating-point numbers and variants of SeaQuery's `Value`.
#[derive(Clone, Debug)]
pub(super) enum Tagged {
    Json(Json),
    /// JSON that is present even if it is `null`.
    Present(Json),
    Float(f64),
    List(Vec<Self>),
    /// A variant and what it contains.
    Variant(Box<str>, Box<Self>),
}

impl From<Json> for Tagged {
    fn from(json: Json) -> Self {
        Self::Json(json)
    }
}

impl Tagged {
    /// Returns the value `content` of the type `tag`.
    pub(super) fn one(tag: &str, content: Self) -> Self {
        Self::Variant(tag.into(), Box::new(content))
    }

    /// Deserializes the value.
    ///
    /// # Errors
    /// The content is of another type, or SeaQuery lacks the type.
    pub(super) fn into_value(self) -> Result<Value, &'static str> {
        serde::Deserialize::deserialize(self).map_err(|_| WRONG_TYPE)
    }
}

impl IntoDeserializer<'_, Error> for Tagged {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Tagged {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Json(json) | Self::Present(json) => json.deserialize_any(visitor),
            Self::Float(number) => visitor.visit_f64(number),
            Self::List(list) => visitor.visit_seq(SeqDeserializer::new(list.into_iter())),
            Self::Variant(..) => visitor.visit_enum(self),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Json(Json::Null) => visitor.visit_none(),
            some => visitor.visit_some(some),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Json(json) | Self::Present(json) => {
                json.deserialize_enum(name, variants, visitor)
            }
            variant => visitor.visit_enum(variant),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Tagged {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        match self {
            Self::Variant(tag, content) => {
                let tag = seed.deserialize(tag.as_ref().into_deserializer())?;
                Ok((tag, *content))
            }
            _ => Err(serde::de::Error::custom("no variant")),
        }
    }
}

impl<'de> VariantAccess<'de> for Tagged {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }
}

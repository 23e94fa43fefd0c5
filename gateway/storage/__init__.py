"""Where pictures are kept that clients fetch later, and documents that lie in a bucket."""

from gateway.settings import Settings
from gateway.storage.base import PictureStore
from gateway.storage.bucket import Bucket
from gateway.storage.local import LocalStore
from gateway.storage.s3 import S3Store


def create_store(settings: Settings, bucket: Bucket) -> PictureStore:
    """The store that the settings ask for."""
    local = LocalStore(settings.output_dir)
    return S3Store(bucket, settings.s3_prefix, local) if bucket.name else local

"""A parser's process on a machine without the `ocr` extra: for tests of the sandbox."""

from ingestion.parsing import child, ocr

if __name__ == "__main__":
    ocr.EXTRA_MODULES = ("a_module_that_is_not_there",)
    child.main()

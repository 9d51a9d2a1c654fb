/**
 * Files that survive a power failure: a `BlobStore` in a directory, and the file operations that it is made of.
 *
 * @since 0.1.0
 */
export * as NodeBlobStore from "./NodeBlobStore.js"
export * as NodeDirectoryLock from "./NodeDirectoryLock.js"
export * as NodeDurableFile from "./NodeDurableFile.js"
export * as NodeFileSystem from "./NodeFileSystem.js"

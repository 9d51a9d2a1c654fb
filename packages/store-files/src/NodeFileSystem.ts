/**
 * The calls of the file system that a durable store makes.
 *
 * All files of this package, and of the packages that build on it, are read and written by these few calls. A test
 * replaces them to record their order, or to make the k-th call fail.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import { lstat, mkdir, open, readdir, rename, statfs, unlink } from "node:fs/promises"
import type { FileHandle } from "node:fs/promises"

/**
 * What is known about a path.
 *
 * @since 0.1.0
 * @category models
 */
export interface Stat {
  /** The size in bytes. */
  readonly size: number
  /** Whether the path is a regular file. `false` for a symbolic link. */
  readonly isFile: boolean
}

/**
 * An open file. Positions and sizes are in bytes. No method moves a position, so reads and writes do not affect each
 * other.
 *
 * @since 0.1.0
 * @category models
 */
export interface File {
  /** Reads into buffers, one after the other. Returns how many bytes were read: 0 at the end of the file. */
  readonly readv: (into: ReadonlyArray<Uint8Array>, position: number) => Promise<number>
  /** Writes chunks. Returns how many bytes were written, which may be fewer than all. */
  readonly writev: (chunks: ReadonlyArray<Uint8Array>, position: number) => Promise<number>
  readonly truncate: (size: number) => Promise<void>
  /** Waits until the content and the size of the file are on the disk. */
  readonly datasync: () => Promise<void>
  /** Waits until the file, or the entries of a directory, are on the disk. */
  readonly sync: () => Promise<void>
  readonly stat: () => Promise<Stat>
  /** Closes the file after the running calls have ended. */
  readonly close: () => Promise<void>
}

/**
 * The calls of a file system. They fail with Node's errors.
 *
 * @since 0.1.0
 * @category models
 */
export interface FileSystem {
  /** Opens a file or a directory. `flags` are those of `node:fs` `constants`. */
  readonly open: (path: string, flags: number, mode?: number) => Promise<File>
  readonly rename: (from: string, to: string) => Promise<void>
  readonly unlink: (path: string) => Promise<void>
  /** Creates one directory. Its parent must exist. */
  readonly mkdir: (path: string, mode?: number) => Promise<void>
  /** Returns the names in a directory, in no order. */
  readonly readdir: (path: string) => Promise<ReadonlyArray<string>>
  /** Returns what is known about a path, without following a symbolic link. */
  readonly stat: (path: string) => Promise<Stat>
  /** Returns how many bytes of the disk of a directory are free. */
  readonly freeBytes: (path: string) => Promise<number>
}

class NodeFile implements File {
  constructor(private readonly handle: FileHandle) {}

  async readv(into: ReadonlyArray<Uint8Array>, position: number): Promise<number> {
    return (await this.handle.readv(into, position)).bytesRead
  }

  async writev(chunks: ReadonlyArray<Uint8Array>, position: number): Promise<number> {
    return (await this.handle.writev(chunks, position)).bytesWritten
  }

  truncate(size: number): Promise<void> {
    return this.handle.truncate(size)
  }

  datasync(): Promise<void> {
    return this.handle.datasync()
  }

  sync(): Promise<void> {
    return this.handle.sync()
  }

  async stat(): Promise<Stat> {
    const stat = await this.handle.stat()
    return { size: stat.size, isFile: stat.isFile() }
  }

  close(): Promise<void> {
    return this.handle.close()
  }
}

/**
 * The file system of Node.
 *
 * @since 0.1.0
 * @category constructors
 */
export const node: FileSystem = {
  open: async (path, flags, mode) => new NodeFile(await open(path, flags, mode)),
  rename,
  unlink,
  mkdir: async (path, mode) => {
    await mkdir(path, { mode })
  },
  readdir: (path) => readdir(path),
  stat: async (path) => {
    const stat = await lstat(path)
    return { size: stat.size, isFile: stat.isFile() }
  },
  freeBytes: async (path) => {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  }
}

/**
 * The file system that the caller uses. Default: {@link node}.
 *
 * @since 0.1.0
 * @category services
 */
export class NodeFileSystem extends Context.Reference<NodeFileSystem>()("@effect-oci/store-files/NodeFileSystem", {
  defaultValue: () => node
}) {}

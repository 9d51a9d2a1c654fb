import { Memory } from "@effect-oci/store"
import { Layer } from "effect"
import { registrySuite } from "./suites/registry.js"

registrySuite("memory", () => Layer.merge(Memory.layerBlobStore(), Memory.layerMetadataStore()))

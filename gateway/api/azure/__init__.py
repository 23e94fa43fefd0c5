"""`/documentintelligence/documentModels`: the REST API of Azure AI Document Intelligence 4.0, for its clients."""

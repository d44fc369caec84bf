oar();
